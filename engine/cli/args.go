package cli

import (
	"fmt"
	"strings"
)

// checkArgs says what is wrong with the number of arguments, in Docker's words.
func (c *command) checkArgs(n int) error {
	switch {
	case n >= c.min && (n <= c.max || c.max < 0):
		return nil
	case c.max == 0:
		return fmt.Errorf("accepts no arguments")
	case c.max < 0:
		return fmt.Errorf("requires at least %s", arguments(c.min))
	case c.min == c.max:
		return fmt.Errorf("requires %s", arguments(c.min))
	case c.min == 0:
		return fmt.Errorf("requires at most %s", arguments(c.max))
	}
	return fmt.Errorf("requires at least %d and at most %s", c.min, arguments(c.max))
}

// impliedArgs is how many arguments the flags given stand for.
func (c *command) impliedArgs() int {
	if c.implied == nil {
		return 0
	}
	return c.implied()
}

func arguments(n int) string {
	if n == 1 {
		return "1 argument"
	}
	return fmt.Sprintf("%d arguments", n)
}

// pathName is how the command is called: "hoy container ls".
func (f found) pathName() string { return strings.Join(f.path, " ") }

// usageLine is what follows "Usage:".
func (f found) usageLine() string {
	args := f.args
	if args == "" && len(f.subs) > 0 {
		args = "COMMAND"
	}
	return strings.TrimSpace(f.pathName() + " " + args)
}

// nearest is the command below f that word was probably meant to be, or "": the shortest that begins with it, or one that is
// a letter or two away.
func (f found) nearest(word string) string {
	best, least := "", 3
	for _, n := range f.subs {
		d := distance(word, n.name)
		if len(word) > 1 && strings.HasPrefix(n.name, word) {
			d = len(n.name) - len(word) - 20 // before all that do not begin so
		}
		if !n.hidden && d < least && d < len(word) {
			best, least = n.name, d
		}
	}
	return best
}

// distance is the number of letters to insert, delete or change to make b of a (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

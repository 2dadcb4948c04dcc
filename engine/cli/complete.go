package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"codeberg.org/hoy/hoy/engine/cli/flags"
)

// choice is a word that can stand at the cursor, and what a shell may show beside it. A word that begins with a colon asks the
// shell for more: see the constants.
type choice struct{ word, note string }

// What is asked of the shell.
const (
	askFiles   = ":files"
	askDirs    = ":dirs"
	askNoSpace = ":nospace" // the word may go on
)

// completer gives the words that can follow the arguments args.
type completer func(s *session, args []string) []choice

// completeCommand is what the shells' scripts call: `hoy __complete -- WORD… CURSOR`. It prints the words that can stand at the
// cursor, a line each, "word" or "word<tab>note".
func completeCommand(s *session) *command {
	return &command{
		short:   "Complete a command line",
		max:     -1,
		ordered: true,
		run: func(_ context.Context, args []string) error {
			if len(args) == 0 {
				args = []string{""}
			}
			var b strings.Builder
			for _, c := range s.choices(args[:len(args)-1], args[len(args)-1]) {
				fmt.Fprintln(&b, strings.TrimSuffix(c.word+"\t"+c.note, "\t"))
			}
			_, err := s.Out.WriteString(b.String())
			return err
		},
	}
}

// choices are the words that can stand after words, where cur has been typed already.
func (s *session) choices(words []string, cur string) []choice {
	root := s.root()
	line, err := flags.Normalize(root.flags, words, false)
	if err != nil {
		return s.missingValue(err, cur)
	}
	flags.Set(root.flags, line)
	f, rest := s.find(line.Args)
	if len(f.subs) > 0 {
		if len(rest) > 0 {
			return nil
		}
		if strings.HasPrefix(cur, "-") {
			return s.flagChoices(f.flags, cur)
		}
		return matching(f.commands(s), cur)
	}
	own, err := flags.Normalize(f.flags, rest, !f.ordered)
	if err != nil {
		return s.missingValue(err, cur)
	}
	flags.Set(f.flags, own)
	flagsEnded := slices.Contains(rest, "--") || f.ordered && len(own.Args) > 0
	switch {
	case strings.HasPrefix(cur, "-") && !flagsEnded:
		return s.flagChoices(f.flags, cur)
	case f.complete == nil || f.max >= 0 && len(own.Args) >= f.max:
		return nil
	}
	return matching(f.complete(s, own.Args), cur)
}

// missingValue completes the value of the flag that the line before the cursor ends with; other mistakes complete nothing.
func (s *session) missingValue(err error, cur string) []choice {
	var missing *flags.MissingValue
	if !errors.As(err, &missing) {
		return nil
	}
	return matching(s.valueChoices(missing.Flag), cur)
}

// flagChoices completes --name, and the value in --name=value.
func (s *session) flagChoices(table []*flags.Flag, cur string) []choice {
	if name, value, ok := strings.Cut(cur, "="); ok {
		f := flags.Lookup(table, strings.TrimLeft(name, "-"))
		if f == nil {
			return nil
		}
		out := matching(s.valueChoices(f), value)
		for i := range out {
			if out[i].word[0] != ':' {
				out[i].word = name + "=" + out[i].word
			}
		}
		return out
	}
	var out []choice
	for _, f := range sortedFlags(table) {
		note, _, _ := strings.Cut(f.Usage, "\n")
		out = append(out, choice{"--" + f.Name, note})
	}
	return matching(append(out, choice{"--help", "Print usage"}), cur)
}

// valueChoices are the values that a flag may have.
func (s *session) valueChoices(f *flags.Flag) []choice {
	var out []choice
	for _, v := range f.Values {
		out = append(out, choice{word: v})
	}
	if len(f.Values) > 0 && strings.ContainsAny(f.Values[0], "=,") {
		out = append(out, choice{word: askNoSpace})
	}
	switch f.Source {
	case "file":
		out = append(out, choice{word: askFiles})
	case "dir":
		out = append(out, choice{word: askDirs})
	case "network":
		out = append(out, completeNetworks(s, nil)...)
	case "volume":
		for _, v := range completeVolumes(s, nil) {
			out = append(out, choice{v.word + ":", v.note})
		}
		out = append(out, choice{word: askNoSpace}, choice{word: askFiles})
	}
	return out
}

// matching leaves those that begin with cur, each once. What is asked of the shell stays, at the end.
func matching(all []choice, cur string) []choice {
	var out, asks []choice
	seen := map[string]bool{}
	for _, c := range all {
		switch {
		case seen[c.word]:
		case strings.HasPrefix(c.word, ":"):
			asks = append(asks, c)
		case strings.HasPrefix(c.word, cur):
			out = append(out, c)
		}
		seen[c.word] = true
	}
	return append(out, asks...)
}

// commands are those below a group.
func (f found) commands(s *session) []choice {
	var out []choice
	for _, n := range f.subs {
		if !n.hidden {
			out = append(out, choice{n.name, f.child(s, n).short})
		}
	}
	if len(f.path) == 1 {
		out = append(out, choice{"help", "Help about the command"})
	}
	slices.SortFunc(out, func(a, b choice) int { return strings.Compare(a.word, b.word) })
	return out
}

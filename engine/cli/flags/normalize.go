package flags

import (
	"slices"
	"strings"
)

// Line is a command line after Normalize.
type Line struct {
	Flags []string // each "--name=value", in the order given
	Args  []string // the rest
	Help  bool     // --help was among the flags
}

// Canonical is the line as urfave/cli gets it: nothing in Args can be taken for a flag.
func (l Line) Canonical() []string {
	out := make([]string, 0, len(l.Flags)+1+len(l.Args))
	out = append(out, l.Flags...)
	out = append(out, "--")
	return append(out, l.Args...)
}

// Used are the flags of the table that the line gives a value, each once.
func (l Line) Used(table []*Flag) []*Flag {
	var used []*Flag
	for _, arg := range l.Flags {
		name, _, _ := strings.Cut(arg[2:], "=")
		if f := Lookup(table, name); f != nil && !slices.Contains(used, f) {
			used = append(used, f)
		}
	}
	return used
}

// Normalize reads args by the table as Docker's clients do (their parser is pflag): `-eA=1`, `-it=false`, `--flag value`, `--`,
// and, with interspersed, flags after arguments. Without it the flags end at the first argument, as for `run IMAGE COMMAND -x`.
// -h asks for help where the table has no other use for it. Values are not looked at. The errors are *Unknown, *MissingValue and *BadSyntax.
func Normalize(table []*Flag, args []string, interspersed bool) (Line, error) {
	n := normalizer{table: table, rest: args}
	for len(n.rest) > 0 {
		arg := n.next()
		var err error
		switch {
		case arg == "--":
			n.line.Args = append(n.line.Args, n.rest...)
			return n.line, nil
		case len(arg) < 2 || arg[0] != '-': // "-" is an argument
			n.line.Args = append(n.line.Args, arg)
			if !interspersed {
				n.line.Args = append(n.line.Args, n.rest...)
				return n.line, nil
			}
		case strings.HasPrefix(arg, "--"):
			err = n.long(arg)
		default:
			err = n.short(arg[1:])
		}
		if err != nil {
			return n.line, err
		}
	}
	return n.line, nil
}

type normalizer struct {
	table []*Flag
	rest  []string
	line  Line
}

func (n *normalizer) next() string {
	arg := n.rest[0]
	n.rest = n.rest[1:]
	return arg
}

func (n *normalizer) add(f *Flag, value string) {
	n.line.Flags = append(n.line.Flags, "--"+f.Name+"="+value)
}

// long reads --name, --name=value, or --name and the argument after it.
func (n *normalizer) long(arg string) error {
	name, value, given := strings.Cut(arg[2:], "=")
	if name == "" || name[0] == '-' {
		return &BadSyntax{Arg: arg}
	}
	if name == "help" { // in no table but for show
		n.line.Help = !given || value != "false"
		return nil
	}
	f := Lookup(n.table, name)
	switch {
	case f == nil:
		return &Unknown{Name: name}
	case given:
		n.add(f, value)
	case f.Bool():
		n.add(f, "true")
	case len(n.rest) == 0:
		return &MissingValue{Flag: f}
	default:
		n.add(f, n.next())
	}
	return nil
}

// short reads the letters after one dash: any number of flags without a value, then at most one with a value.
func (n *normalizer) short(letters string) error {
	for letters != "" {
		letter, after := letters[:1], letters[1:]
		f := LookupShort(n.table, letter)
		switch {
		case f == nil && letter == "h":
			n.line.Help = true
			return nil
		case f == nil:
			return &Unknown{Name: letter, In: letters}
		case len(after) > 1 && after[0] == '=': // pflag: an empty value after = is no value
			n.add(f, after[1:])
			return nil
		case f.Bool():
			n.add(f, "true")
			letters = after
			continue
		case after != "":
			n.add(f, after)
			return nil
		case len(n.rest) == 0:
			return &MissingValue{Flag: f, In: letters}
		}
		n.add(f, n.next())
		return nil
	}
	return nil
}

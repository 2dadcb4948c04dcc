package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"codeberg.org/hoy/hoy/engine/cli/flags"
)

// help prints what Docker's --help prints: usage, description, aliases, options; for a group the commands below it.
func (s *session) help(w io.Writer, f found) error {
	var b strings.Builder
	fmt.Fprintf(&b, "Usage:  %s\n\n%s\n", f.usageLine(), f.description())
	if ways := f.ways(s); ways != "" {
		fmt.Fprintf(&b, "\nAliases:\n  %s\n", ways)
	}
	top := len(f.path) == 1
	if options := flagUsages(f.flags, helpWidth()); options != "" && !top {
		fmt.Fprintf(&b, "\nOptions:\n%s\n", options)
	}
	if len(f.subs) > 0 {
		s.helpCommands(&b, f)
	}
	if top {
		fmt.Fprintf(&b, "\nGlobal Options:\n%s\n", flagUsages(f.flags, helpWidth()))
	}
	if len(f.subs) > 0 {
		fmt.Fprintf(&b, "\nRun '%s COMMAND --help' for more information on a command.\n", f.pathName())
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (f found) description() string {
	if f.long != "" {
		return f.long
	}
	return f.short
}

// ways lists every way to call the command, when there are several.
func (f found) ways(s *session) string {
	ways := slices.Clone(f.aliases)
	if len(ways) == 0 {
		for _, also := range f.node.also {
			ways = append(ways, strings.Join(append(slices.Clone(f.path[1:len(f.path)-1]), also), " "))
		}
		if len(ways) > 0 {
			ways = append([]string{strings.Join(f.path[1:], " ")}, ways...)
		}
	}
	for i := range ways {
		ways[i] = s.name + " " + ways[i]
	}
	return strings.Join(ways, ", ")
}

// helpCommands lists what is below a group: common commands, groups, the others.
func (s *session) helpCommands(b *strings.Builder, f found) {
	var common, groups, others []found
	for _, n := range f.subs {
		if n.hidden {
			continue
		}
		switch child := f.child(s, n); {
		case n.rank > 0:
			common = append(common, child)
		case len(child.subs) > 0:
			groups = append(groups, child)
		default:
			others = append(others, child)
		}
	}
	slices.SortFunc(common, func(x, y found) int { return x.node.rank - y.node.rank })
	width := 11
	for _, n := range f.subs {
		if !n.hidden {
			width = max(width, len(n.name))
		}
	}
	for _, section := range []struct {
		title    string
		commands []found
	}{{"Common Commands", common}, {"Management Commands", groups}, {"Commands", others}} {
		if len(section.commands) == 0 {
			continue
		}
		fmt.Fprintf(b, "\n%s:\n", section.title)
		for _, c := range section.commands {
			fmt.Fprintf(b, "  %-*s %s\n", width, c.node.name, c.short)
		}
	}
}

// helpWidth is the width that help is wrapped to: the terminal's, else 80. Docker asks descriptor 0 and leaves one column free.
func helpWidth() int {
	if size, err := unix.IoctlGetWinsize(0, unix.TIOCGWINSZ); err == nil && size.Col > 0 {
		return int(size.Col) - 1
	}
	return 79
}

// flagUsages lists flags by name, aligned and wrapped as pflag does it.
func flagUsages(list []*flags.Flag, width int) string {
	type row struct{ left, right string }
	var rows []row
	indent := 0
	for _, f := range sortedFlags(list) {
		left := "      --" + f.Name
		if f.Short != "" {
			left = "  -" + f.Short + ", --" + f.Name
		}
		if f.Type != "" {
			left += " " + f.Type
		}
		rows = append(rows, row{left, f.Usage + defaultText(f)})
		indent = max(indent, len(left))
	}
	var b strings.Builder
	for _, r := range rows {
		fmt.Fprintf(&b, "%-*s   %s\n", indent, r.left, wrap(r.right, indent+3, width))
	}
	return strings.TrimRight(b.String(), " \n")
}

// sortedFlags are the flags that are shown, by name.
func sortedFlags(list []*flags.Flag) []*flags.Flag {
	var out []*flags.Flag
	for _, f := range list {
		if !f.Hidden {
			out = append(out, f)
		}
	}
	slices.SortFunc(out, func(x, y *flags.Flag) int { return strings.Compare(x.Name, y.Name) })
	return out
}

func defaultText(f *flags.Flag) string {
	switch {
	case f.Default() == "":
		return ""
	case f.Type == "string":
		return fmt.Sprintf(" (default %q)", f.Default())
	}
	return fmt.Sprintf(" (default %s)", f.Default())
}

// wrap breaks text for a column that begins at indent and ends at width. Source: pflag, FlagSet.FlagUsagesWrapped.
func wrap(text string, indent, width int) string {
	const slop = 5 // a last word may stand out by so much
	room := width - indent
	first := ""
	if room < 24 { // a block of its own below the flag
		indent, room = 16, width-16
		first = "\n" + strings.Repeat(" ", indent)
	}
	margin := "\n" + strings.Repeat(" ", indent)
	if room < 24 {
		return strings.ReplaceAll(text, "\n", first)
	}
	line, rest := wrapLine(text, room-slop, slop)
	out := first + strings.ReplaceAll(line, "\n", margin)
	for rest != "" {
		line, rest = wrapLine(rest, room-slop, slop)
		out += margin + strings.ReplaceAll(line, "\n", margin)
	}
	return out
}

// wrapLine takes a line of at most width characters off text, or all of it when that is at most slop more.
func wrapLine(text string, width, slop int) (line, rest string) {
	if width+slop > len(text) {
		return text, ""
	}
	end := strings.LastIndexAny(text[:width], " \t\n")
	if end <= 0 {
		return text, ""
	}
	if nl := strings.LastIndexByte(text[:width], '\n'); nl > 0 && nl < end {
		return text[:nl], text[nl+1:]
	}
	return text[:end], text[end+1:]
}

// helpCommand is `hoy help COMMAND`, the same text as `hoy COMMAND --help`.
func helpCommand(s *session) *command {
	return &command{
		args:     "[COMMAND]",
		short:    "Help about the command",
		max:      -1,
		complete: completeCommands,
		run: func(_ context.Context, args []string) error {
			f, rest := s.find(args)
			if len(rest) > 0 {
				return fmt.Errorf("unknown help topic: %s", strings.Join(args, " "))
			}
			return s.help(s.Out, f)
		},
	}
}

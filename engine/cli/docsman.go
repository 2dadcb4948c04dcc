package cli

import (
	"fmt"
	"strings"
)

// manPage is the page of a command in man(7).
func manPage(s *session, f found) string {
	var b strings.Builder
	fmt.Fprintf(&b, ".TH %s 1 \"\" \"hoy\" \"hoy manual\"\n", strings.ToUpper(pageName(f)))
	fmt.Fprintf(&b, ".SH NAME\n%s \\- %s\n", roff(pageName(f)), roff(f.short))
	fmt.Fprintf(&b, ".SH SYNOPSIS\n.B %s\n", roff(f.pathName()))
	if line := strings.TrimPrefix(f.usageLine(), f.pathName()); line != "" {
		fmt.Fprintf(&b, "%s\n", roff(strings.TrimSpace(line)))
	}
	fmt.Fprintf(&b, ".SH DESCRIPTION\n.nf\n%s\n.fi\n", roff(f.description()))
	if ways := f.ways(s); ways != "" {
		fmt.Fprintf(&b, ".SH ALIASES\n%s\n", roff(ways))
	}
	if options := sortedFlags(f.flags); len(options) > 0 {
		b.WriteString(".SH OPTIONS\n")
		for _, o := range options {
			fmt.Fprintf(&b, ".TP\n\\fB%s\\fR", roff(o.Label()))
			if o.Type != "" {
				fmt.Fprintf(&b, " \\fI%s\\fR", roff(o.Type))
			}
			fmt.Fprintf(&b, "\n%s\n", strings.ReplaceAll(roff(o.Usage+defaultText(o)), "\n", "\n.br\n"))
		}
	}
	if len(f.subs) > 0 {
		b.WriteString(".SH COMMANDS\n")
		f.below(s, func(c found, page string) {
			fmt.Fprintf(&b, ".TP\n\\fB%s\\fR (%s(1))\n%s\n", roff(c.node.name), roff(page), roff(c.short))
		})
	}
	if len(f.path) > 1 {
		fmt.Fprintf(&b, ".SH SEE ALSO\n.BR %s (1)\n", s.name)
	}
	return b.String()
}

// roff escapes text for man(7): backslashes, dashes that are to be typed, and dots and quotes that begin a line.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(text)
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
			lines[i] = `\&` + line
		}
	}
	return strings.Join(lines, "\n")
}

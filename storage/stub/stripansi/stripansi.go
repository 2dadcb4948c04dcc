// Package stripansi stands in for the module of this name, whose regular expression every start would compile. It serves the progress bars.
package stripansi

import "strings"

// Strip takes the control sequences out of a text for a terminal (ECMA-48 5.4): ESC, [, parameters, a final byte.
func Strip(s string) string {
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(s, "\x1b[")
		out.WriteString(before)
		if !found {
			return out.String()
		}
		end := strings.IndexFunc(rest, func(r rune) bool { return r >= '@' && r <= '~' })
		if end < 0 {
			return out.String()
		}
		s = rest[end+1:]
	}
}

package cli

import (
	"fmt"
	"strings"
)

// markdownPage is the page of a command for docs/cli.
func markdownPage(s *session, f found) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n%s\n\n```\n%s\n```\n", f.pathName(), markdown(f.short), f.usageLine())
	if f.long != "" {
		fmt.Fprintf(&b, "\n%s\n", indentCode(f.long))
	}
	if ways := f.ways(s); ways != "" {
		fmt.Fprintf(&b, "\nAliases: `%s`\n", strings.ReplaceAll(ways, ", ", "`, `"))
	}
	if options := sortedFlags(f.flags); len(options) > 0 {
		b.WriteString("\n| Option | | |\n| --- | --- | --- |\n")
		for _, o := range options {
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", o.Label(), o.Type, markdown(o.Usage+defaultText(o)))
		}
	}
	if len(f.subs) > 0 {
		b.WriteString("\n| Command | |\n| --- | --- |\n")
		f.below(s, func(c found, page string) {
			fmt.Fprintf(&b, "| [`%s`](%s.md) | %s |\n", c.node.name, page, markdown(c.short))
		})
	}
	return b.String()
}

// markdown escapes text for a cell of a table.
func markdown(text string) string {
	return strings.NewReplacer("|", `\|`, "<", "&lt;", ">", "&gt;", "\n", "<br>", "*", `\*`, "_", `\_`).Replace(text)
}

// indentCode makes code blocks of lines that begin with a tab: they are commands to type.
func indentCode(text string) string { return strings.ReplaceAll(text, "\t", "    ") }

package format

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// Table describes what a listing command prints of each row.
type Table struct {
	Default string            // without --format: "table {{.ID}}\t…"
	Quiet   string            // with -q
	Raw     string            // --format raw
	Headers map[string]string // column names by field
}

// Template is what --format and -q come to: the text of a template, behind "table" when the names of columns go above it.
func (t Table) Template(format string, quiet bool) string {
	switch {
	case quiet:
		return t.Quiet
	case format == "" || format == "table":
		return t.Default
	case format == "raw" && t.Raw != "":
		return t.Raw
	case format == "json":
		return JSON
	}
	return format
}

// Write prints rows, a line each, by a text that Template gave. Source: docker/cli, cli/command/formatter.
func Write[Row any](w io.Writer, t Table, text string, rows []Row) error {
	text, table := strings.CutPrefix(text, "table")
	text = strings.NewReplacer(`\t`, "\t", `\n`, "\n").Replace(strings.Trim(text, " "))
	tmpl, err := Parse(text)
	if err != nil {
		return err
	}
	var body bytes.Buffer
	for _, row := range rows {
		if err := tmpl.Execute(&body, row); err != nil {
			return fmt.Errorf("template parsing error: %w", err)
		}
		body.WriteByte('\n')
	}
	if !table {
		_, err := body.WriteTo(w)
		return err
	}
	tw := tabwriter.NewWriter(w, 10, 1, 3, ' ', 0)
	// A template that means nothing for a header leaves it short, as in Docker.
	_ = tmpl.Funcs(headerFunctions()).Execute(tw, header(t.Headers))
	_, _ = tw.Write([]byte("\n"))
	_, _ = body.WriteTo(tw)
	return tw.Flush()
}

// header is the row of column names.
type header map[string]string

// Label is the column of {{.Label "com.example.some-name"}}.
func (header) Label(name string) string {
	name = name[strings.LastIndexByte(name, '.')+1:]
	return strings.NewReplacer("-", " ", "_", " ").Replace(name)
}

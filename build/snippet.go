package build

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// printSource shows the lines of the Dockerfile that an error is about as buildx shows them: marked, with some lines around.
func printSource(w io.Writer, f string, data []byte, err error) {
	var at *parser.LocationError
	if !errors.As(err, &at) {
		return
	}
	for _, ranges := range at.Locations {
		printLines(w, f, data, ranges)
	}
}

func printLines(w io.Writer, f string, data []byte, ranges []parser.Range) {
	lines := strings.Split(string(data), "\n")
	first, last := span(ranges)
	if first < 1 || first > len(lines) {
		return
	}
	last = min(last, len(lines))
	from, to := widen(first, last, len(lines))
	fmt.Fprintf(w, "%s:%d\n--------------------\n", f, first)
	for i := from; i <= to; i++ {
		mark := "   "
		if contains(ranges, i) {
			mark = ">>>"
		}
		fmt.Fprintf(w, " %3d | %s %s\n", i, mark, strings.TrimSuffix(lines[i-1], "\r"))
	}
	fmt.Fprint(w, "--------------------\n")
}

// widen adds lines around as BuildKit does: two, or four around a single line, shared out in turn.
func widen(first, last, lines int) (from, to int) {
	pad := 2
	if first == last {
		pad = 4
	}
	from, to = first, last
	for p := 0; p < pad; p++ {
		if from > 1 {
			from--
			p++
		}
		if to < lines {
			to++
			p++
		}
	}
	return from, to
}

func span(ranges []parser.Range) (first, last int) {
	for i, r := range ranges {
		if i == 0 || r.Start.Line < first {
			first = r.Start.Line
		}
		last = max(last, r.Start.Line, r.End.Line)
	}
	return first, last
}

func contains(ranges []parser.Range, line int) bool {
	for _, r := range ranges {
		if r.Start.Line <= line && line <= max(r.Start.Line, r.End.Line) {
			return true
		}
	}
	return false
}

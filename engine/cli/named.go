package cli

import (
	"bytes"
	"io"
)

// named gives a writer that begins each line with a container's name.
func named(w io.Writer, name string) io.Writer {
	return &namedWriter{w: w, prefix: []byte(name + " "), begin: true}
}

type namedWriter struct {
	w      io.Writer
	prefix []byte
	begin  bool // the next byte begins a line
}

// Write writes whole lines as they come; a line in parts gets the name once.
func (n *namedWriter) Write(p []byte) (int, error) {
	var out []byte
	for line := range bytes.Lines(p) {
		if n.begin {
			out = append(out, n.prefix...)
		}
		out = append(out, line...)
		n.begin = line[len(line)-1] == '\n'
	}
	_, err := n.w.Write(out)
	return len(p), err
}

package engine

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"codeberg.org/hoy/hoy/engine/logfile"
	"codeberg.org/hoy/hoy/engine/monitor"
	"codeberg.org/hoy/hoy/oci"
)

// logSettings are what the container's monitor has to know of its log.
func logSettings(c *Container) (monitor.Log, error) {
	l, err := c.Config.Log()
	if err != nil {
		return monitor.Log{}, err
	}
	s := monitor.Log{Files: l.MaxFiles, MaxSize: l.MaxSize, Compress: l.Compress, Buffer: l.Buffer, Passthrough: l.Driver == oci.LogPassthrough}
	if len(l.Attrs) > 0 && l.Driver == oci.LogJSON {
		attrs, err := json.Marshal(l.Attrs)
		if err != nil {
			return s, fmt.Errorf("encode the log's attributes: %w", err)
		}
		s.Attrs = `"attrs":` + string(attrs) + `,`
	}
	if l.Driver == oci.LogJournal {
		s.Journal = journalFields(c, &l)
		return s, monitor.CheckJournal()
	}
	return s, nil
}

// journalFields are the fields of every message to the journal. Source: moby, daemon/logger/journald.
func journalFields(c *Container, l *oci.Log) []byte {
	fields := map[string]string{
		"CONTAINER_ID": c.ID()[:12], "CONTAINER_ID_FULL": c.ID(), "CONTAINER_NAME": c.Name(), "CONTAINER_TAG": l.Tag,
		"IMAGE_NAME": c.Config.Image, "SYSLOG_IDENTIFIER": l.Tag,
	}
	for key, value := range l.Attrs {
		name := strings.Map(func(r rune) rune {
			if r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
				return r
			}
			return '_'
		}, strings.ToUpper(key))
		fields[strings.TrimLeft(name, "_")] = value
	}
	delete(fields, "")
	var out []byte
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		out = monitor.AppendField(out, name, []byte(fields[name]))
	}
	return out
}

// PackMain is the role of monitor.PackRole: it compresses an old log file. It gives the exit status.
func PackMain(args []string) int {
	if len(args) != 2 {
		return 2
	}
	if err := logfile.Pack(args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "hoy: compress the log:", err)
		return 1
	}
	return 0
}

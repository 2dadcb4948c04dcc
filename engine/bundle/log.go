package bundle

import (
	"encoding/json"
	"fmt"
	"os"
	"time"
)

// Log is the file that engines read errors and warnings from.
type Log struct {
	File   string // "": none
	Format string // "text" or "json": logrus's forms (containerd/go-runc, getLastRuntimeError)
}

// Valid says whether there is such a format.
func (l *Log) Valid() error {
	if l.Format != "text" && l.Format != "json" {
		return fmt.Errorf("invalid log-format: %s", l.Format)
	}
	return nil
}

// Write adds a line.
func (l *Log) Write(level string, said error) error {
	if l.File == "" {
		return nil
	}
	now := time.Now().Format(time.RFC3339)
	line := fmt.Appendf(nil, "time=%q level=%s msg=%q\n", now, level, said.Error())
	if l.Format == "json" {
		line, _ = json.Marshal(map[string]string{"level": level, "msg": said.Error(), "time": now}) // strings cannot fail
		line = append(line, '\n')
	}
	f, err := os.OpenFile(l.File, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return fmt.Errorf("--log: %w", err)
	}
	if _, err = f.Write(line); err != nil {
		err = fmt.Errorf("--log: %w", err)
	}
	f.Close()
	return err
}

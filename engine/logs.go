package engine

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// entry is one line of the log, as Docker's json-file driver writes it.
type entry struct {
	Log    string    `json:"log"`
	Stream string    `json:"stream"`
	Time   time.Time `json:"time"`
}

// Logs writes what the container has written; with Follow, until it ends.
func (e *Engine) Logs(ctx context.Context, c *Container, o LogsOptions) error {
	if err := c.usable(); err != nil {
		return err
	}
	if !keepsLog(c.Config.LogDriver) {
		return fmt.Errorf("configured logging driver does not support reading: %s", c.Config.LogDriver)
	}
	follow := o.Follow && c.Running()
	var t *tail
	if follow {
		var err error
		if !o.Until.IsZero() {
			var cancel context.CancelFunc
			ctx, cancel = context.WithDeadline(ctx, o.Until)
			defer cancel()
		}
		if t, err = e.newTail(ctx, c); err != nil { // before the file is opened, so that nothing is missed
			return err
		}
		defer t.close()
	}
	f, err := os.Open(c.LogPath())
	if errors.Is(err, os.ErrNotExist) && follow {
		f, err = t.open(c.LogPath())
	}
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if err := seekTail(f, o.Tail); err != nil {
		return err
	}
	w := &logWriter{o}
	if follow {
		return w.copy(&follower{f: f, t: t})
	}
	return w.copy(f)
}

// logWriter writes the entries that the options select.
type logWriter struct {
	o LogsOptions
}

func (w *logWriter) copy(from io.Reader) error {
	lines := bufio.NewReaderSize(from, 64<<10)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil && len(line) == 0 {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		var one entry
		if json.Unmarshal(line, &one) != nil {
			continue // the last line before a power cut, or half of one on a full disk
		}
		if !w.o.Until.IsZero() && one.Time.After(w.o.Until) {
			return nil
		}
		if err := w.write(one); err != nil {
			return err
		}
	}
}

func (w *logWriter) write(one entry) error {
	to := w.o.Out
	if one.Stream == "stderr" {
		to = w.o.Err
	}
	if to == nil || one.Time.Before(w.o.Since) {
		return nil
	}
	text := one.Log
	if w.o.Details { // the labels and variables that --log-opt names stand before the space: there are none
		text = " " + text
	}
	if w.o.Timestamps {
		text = one.Time.UTC().Format(timestamps) + " " + text
	}
	_, err := io.WriteString(to, text)
	return err
}

// timestamps is RFC 3339 with all nine digits, as `docker logs -t` writes it.
const timestamps = "2006-01-02T15:04:05.000000000Z07:00"

// seekTail goes to where the last n lines begin; negative: to the beginning.
func seekTail(f *os.File, n int) error {
	if n < 0 {
		return nil
	}
	end, err := f.Seek(0, io.SeekEnd)
	if err != nil || n == 0 {
		return err
	}
	buf := make([]byte, 32<<10)
	at := end
	for at > 0 {
		size := min(at, int64(len(buf)))
		part := buf[:size]
		if _, err := f.ReadAt(part, at-size); err != nil {
			return err
		}
		for i := len(part) - 1; i >= 0; i-- {
			if part[i] != '\n' || at-size+int64(i) == end-1 { // the last line's own end
				continue
			}
			if n--; n <= 0 {
				_, err := f.Seek(at-size+int64(i)+1, io.SeekStart)
				return err
			}
		}
		at -= size
	}
	_, err = f.Seek(0, io.SeekStart)
	return err
}

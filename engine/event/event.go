// Package event is the log of what happens to containers, images, volumes and networks: whoever does something appends a line, and `events` reads.
//
// Monitors write to it, so it imports the standard library and golang.org/x/sys only.
package event

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"
	"time"

	"golang.org/x/sys/unix"
)

// Event is one thing that has happened. Types, actions and attributes are Docker's (Docker Engine API, /events).
type Event struct {
	Type       string            `json:"type"`   // container, image, volume or network
	Action     string            `json:"action"` // "start", "die", "health_status: healthy", …
	ID         string            `json:"id"`     // of the object: an id, for volumes the name, for `pull` the reference
	Attributes map[string]string `json:"attributes,omitempty"`
	TimeNano   int64             `json:"timeNano"` // since 1970; 0: Write sets it
}

// Time is when it happened.
func (e *Event) Time() time.Time { return time.Unix(0, e.TimeNano) }

// The files in a root directory. The log is moved to oldFile when it is maxSize bytes long, so that at most twice as much is kept.
const (
	dirName = "events"
	logFile = "log"
	oldFile = "log.1"
	maxSize = 4 << 20
)

// Write appends events to the log of a root directory, in one write(2): it takes no lock, and what several processes write at once does not mix.
// It is not made durable: it is a notice, not a record.
func Write(root string, list ...Event) error {
	var lines []byte
	now := time.Now().UnixNano()
	for _, e := range list {
		if e.TimeNano == 0 {
			e.TimeNano = now
		}
		line, err := json.Marshal(e)
		if err != nil {
			return fmt.Errorf("encode event: %w", err)
		}
		lines = append(append(lines, line...), '\n')
	}
	if len(lines) == 0 {
		return nil
	}
	fd, err := openLog(root)
	if err != nil {
		return err
	}
	_, err = unix.Write(fd, lines)
	var st unix.Stat_t
	full := unix.Fstat(fd, &st) == nil && st.Size >= maxSize
	err = errors.Join(err, unix.Close(fd))
	if full {
		err = errors.Join(err, rotate(root))
	}
	return err
}

func openLog(root string) (int, error) {
	const flags = unix.O_WRONLY | unix.O_APPEND | unix.O_CREAT | unix.O_CLOEXEC
	name := path.Join(root, dirName, logFile)
	fd, err := unix.Open(name, flags, 0o600)
	if err == unix.ENOENT {
		if err := os.MkdirAll(path.Dir(name), 0o700); err != nil {
			return -1, err
		}
		fd, err = unix.Open(name, flags, 0o600)
	}
	if err != nil {
		return -1, &os.PathError{Op: "open", Path: name, Err: err}
	}
	return fd, nil
}

// rotate begins a new log. Of several processes that see a full one, one does it: the lock is tried, not waited for, and the size asked again under it.
func rotate(root string) error {
	dir, err := os.Open(path.Join(root, dirName))
	if err != nil {
		return err
	}
	defer dir.Close()
	if unix.Flock(int(dir.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil {
		return nil
	}
	name := path.Join(dir.Name(), logFile)
	var st unix.Stat_t
	if unix.Stat(name, &st) != nil || st.Size < maxSize {
		return nil
	}
	return os.Rename(name, path.Join(dir.Name(), oldFile))
}

package monitor

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"

	"golang.org/x/sys/unix"
)

// ErrNewer says that a file was written by a newer hoy.
var ErrNewer = errors.New("written by a newer hoy")

// Durability says whether a file has to survive a power cut.
type Durability bool

// The two durabilities.
const (
	Fleeting Durability = false // what dies with --rm or with the boot
	Durable  Durability = true  // what a command reports as done
)

// WriteJSON replaces the file at path by v, whole or not at all: readers see the old one or the new one.
func WriteJSON(path string, v any, d Durability) error {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode %s: %w", path, err)
	}
	return WriteFile(path, append(data, '\n'), 0o600, d)
}

// WriteFile is WriteJSON for bytes and a mode.
func WriteFile(name string, data []byte, mode os.FileMode, d Durability) error {
	next := name + ".new"
	if err := writeNew(next, data, mode, d); err != nil {
		os.Remove(next)
		return err
	}
	if err := unix.Rename(next, name); err != nil {
		os.Remove(next)
		return fmt.Errorf("rename %s: %w", next, err)
	}
	return SyncDir(path.Dir(name), d)
}

func writeNew(path string, data []byte, mode os.FileMode, d Durability) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil && d {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// SyncDir makes the names in a directory durable. One that does not exist has none.
func SyncDir(dir string, d Durability) error {
	if !d {
		return nil
	}
	f, err := os.Open(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// ReadJSON reads the file at path into v, which has a field `version`; a version above newest is ErrNewer. What it cannot
// decode it never takes for empty.
func ReadJSON(path string, v any, newest int) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var head struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return fmt.Errorf("%s is corrupt: %w", path, err)
	}
	if head.Version > newest {
		return fmt.Errorf("%s: version %d: %w", path, head.Version, ErrNewer)
	}
	if err := json.Unmarshal(data, v); err != nil {
		return fmt.Errorf("%s is corrupt: %w", path, err)
	}
	return nil
}

package record

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"codeberg.org/hoy/hoy/netns/record/live"
)

// ErrNewer says that a file was written by a newer hoy.
var ErrNewer = errors.New("written by a newer hoy")

const (
	suffix = ".json" // the definition
	ends   = live.Suffix
)

// Dir is the directory of the network files, <root>/networks.
type Dir string

// In gives the Dir of a root directory.
func In(root string) Dir { return Dir(live.Dir(root)) }

// Lock takes the one lock of all networks, a flock(2) of the directory, which it makes. It waits for at most the time of another
// command's change: nobody holds it while waiting for a process or the network. Close the file to release it.
func (d Dir) Lock() (*os.File, error) {
	if err := os.MkdirAll(string(d), 0o700); err != nil {
		return nil, err
	}
	f, err := os.Open(string(d))
	if err != nil {
		return nil, err
	}
	for {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", d, err)
	}
	return f, nil
}

// Load reads one network with its endpoints. The error of a missing one is fs.ErrNotExist.
func (d Dir) Load(name string) (*Network, error) {
	n := new(Network)
	if err := read(d.path(name, suffix), n); err != nil {
		return nil, err
	}
	if n.Version > Version {
		return nil, fmt.Errorf("%s: version %d: %w", d.path(name, suffix), n.Version, ErrNewer)
	}
	err := read(d.path(name, ends), &n.Endpoints)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if n.Endpoints == nil {
		n.Endpoints = map[string]*Endpoint{}
	}
	return n, nil
}

// read decodes a file. An empty one is what a power cut leaves of a file of endpoints: none of them lives.
func read(path string, into any) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if _, endpoints := into.(*map[string]*Endpoint); endpoints && len(data) == 0 {
		return nil
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("%s is corrupt: %w", path, err)
	}
	return nil
}

// All reads every network, in the order of their names. A missing directory is an empty one.
func (d Dir) All() ([]*Network, error) {
	entries, err := os.ReadDir(string(d))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var all []*Network
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), suffix)
		if !ok {
			continue
		}
		n, err := d.Load(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed meanwhile
		}
		if err != nil {
			return nil, err
		}
		all = append(all, n)
	}
	slices.SortFunc(all, func(a, b *Network) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

// Save replaces the network's definition, durably: readers see the old one or the new one. The caller holds the lock.
func (d Dir) Save(n *Network) error {
	n.Version = Version
	if err := replace(d.path(n.Name, suffix), n, true); err != nil {
		return err
	}
	return d.sync()
}

// SaveEndpoints replaces the network's endpoints. The caller holds the lock.
func (d Dir) SaveEndpoints(n *Network) error {
	return replace(d.path(n.Name, ends), n.Endpoints, false)
}

// Remove removes the network's files. The caller holds the lock.
func (d Dir) Remove(name string) error {
	if err := os.Remove(d.path(name, ends)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Remove(d.path(name, suffix)); err != nil {
		return err
	}
	return d.sync()
}

func (d Dir) path(name, suffix string) string { return filepath.Join(string(d), name+suffix) }

// sync makes the names in the directory durable.
func (d Dir) sync() error {
	f, err := os.Open(string(d))
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func replace(path string, v any, durable bool) error {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode %s: %w", path, err)
	}
	next := path + ".new"
	if err := write(next, append(data, '\n'), durable); err != nil {
		os.Remove(next)
		return err
	}
	if err := os.Rename(next, path); err != nil {
		os.Remove(next)
		return err
	}
	return nil
}

func write(path string, data []byte, durable bool) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil && durable {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

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
)

// ErrNewer says that a file was written by a newer hoy.
var ErrNewer = errors.New("written by a newer hoy")

const suffix = ".json"

// Dir is the directory of the network files, <root>/networks.
type Dir string

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

// Load reads one network. The error of a missing one is fs.ErrNotExist.
func (d Dir) Load(name string) (*Network, error) {
	path := d.path(name)
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	n := new(Network)
	if err := json.Unmarshal(data, n); err != nil {
		return nil, fmt.Errorf("%s is corrupt: %w", path, err)
	}
	if n.Version > Version {
		return nil, fmt.Errorf("%s: version %d: %w", path, n.Version, ErrNewer)
	}
	return n, nil
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

// Save replaces the network's file: readers see the old one or the new one. durable says that it must survive a power cut, as a
// network that `network create` reported must; an endpoint dies with the boot. The caller holds the lock.
func (d Dir) Save(n *Network, durable bool) error {
	n.Version = Version
	data, err := json.Marshal(n)
	if err != nil {
		return fmt.Errorf("encode network %s: %w", n.Name, err)
	}
	path := d.path(n.Name)
	next := path + ".new"
	if err := write(next, append(data, '\n'), durable); err != nil {
		os.Remove(next)
		return err
	}
	if err := os.Rename(next, path); err != nil {
		os.Remove(next)
		return err
	}
	return d.sync(durable)
}

// Remove removes the network's file. The caller holds the lock.
func (d Dir) Remove(name string) error {
	if err := os.Remove(d.path(name)); err != nil {
		return err
	}
	return d.sync(true)
}

func (d Dir) path(name string) string { return filepath.Join(string(d), name+suffix) }

func (d Dir) sync(durable bool) error {
	if !durable {
		return nil
	}
	f, err := os.Open(string(d))
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
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

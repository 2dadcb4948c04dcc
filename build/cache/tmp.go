package cache

import (
	"context"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// TempDir makes a directory for the length of one build. It is leased by an flock that lives as long as the process; release removes
// it. What killed builds left is removed at the same time.
func (c *Cache) TempDir(ctx context.Context) (dir string, release func() error, err error) {
	base := filepath.Join(c.dir, "tmp")
	// The lock keeps another build from taking a directory that is made and not yet leased for garbage.
	guard, err := waitFlock(ctx, filepath.Join(c.dir, "tmp.lock"), unix.LOCK_EX, nil)
	if err != nil {
		return "", nil, err
	}
	defer guard.Close()
	sweep(base)
	dir, err = os.MkdirTemp(base, "")
	if err != nil {
		return "", nil, err
	}
	lease, err := os.Open(dir)
	if err == nil {
		err = unix.Flock(int(lease.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	}
	if err != nil {
		os.Remove(dir)
		return "", nil, err
	}
	return dir, func() error {
		defer lease.Close()
		return os.RemoveAll(dir)
	}, nil
}

// sweep removes the directories that nobody leases.
func sweep(base string) {
	entries, _ := os.ReadDir(base)
	for _, e := range entries {
		p := filepath.Join(base, e.Name())
		f, err := os.Open(p)
		if err != nil {
			continue
		}
		if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
			os.RemoveAll(p)
		}
		f.Close()
	}
}

package cache

import (
	"context"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// TempDir makes a directory for the length of one build. It is leased by an flock that lives as long as the process; release removes
// it.
func (c *Cache) TempDir(ctx context.Context) (dir string, release func() error, err error) {
	// The guard keeps another build from taking a directory that is made and not yet leased for garbage.
	guard, err := waitFlock(ctx, c.guard(), unix.LOCK_EX, nil)
	if err != nil {
		return "", nil, err
	}
	defer guard.Close()
	dir, err = os.MkdirTemp(filepath.Join(c.dir, "tmp"), "")
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

func (c *Cache) guard() string { return filepath.Join(c.dir, "tmp.lock") }

// sweep removes what killed builds left: directories that nobody leases and locks that nobody holds. What it cannot remove now it leaves
// to the next build.
func (c *Cache) sweep() {
	c.sweepLocks()
	base := filepath.Join(c.dir, "tmp")
	entries, _ := os.ReadDir(base)
	if len(entries) == 0 {
		return
	}
	guard, err := tryFlock(c.guard(), unix.LOCK_EX)
	if err != nil || guard == nil {
		return
	}
	defer guard.Close()
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

func (c *Cache) sweepLocks() {
	dir := filepath.Join(c.dir, "lock")
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		p := filepath.Join(dir, e.Name())
		if f, err := tryFlock(p, unix.LOCK_EX); err == nil && f != nil {
			os.Remove(p) // while it is held, as by its holder
			f.Close()
		}
	}
}

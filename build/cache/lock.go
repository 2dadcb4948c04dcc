package cache

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// pollInterval is how often a held lock is tried again. flock(2) cannot be waited for together with the end of a context.
const pollInterval = 20 * time.Millisecond

// Lock takes the lock of a key, so that of all builds on the machine one does the work. When another holds it, waiting is called once,
// and Lock waits until it has it or ctx ends. The kernel drops the lock of a process that dies.
func (c *Cache) Lock(ctx context.Context, key string, waiting func()) (unlock func(), err error) {
	path := filepath.Join(c.dir, "lock", key)
	f, err := waitFlock(ctx, path, unix.LOCK_EX, waiting)
	if err != nil {
		return nil, err
	}
	return func() {
		os.Remove(path) // while it is held: whoever opened it before finds that it is not the file there, and opens anew
		f.Close()
	}, nil
}

// waitFlock opens a file and takes its lock, and makes sure that it is still the file of that name then.
func waitFlock(ctx context.Context, path string, how int, waiting func()) (*os.File, error) {
	for {
		f, err := tryFlock(path, how)
		if err == nil && f != nil {
			return f, nil
		}
		if err != nil && !errors.Is(err, unix.EWOULDBLOCK) {
			return nil, &os.PathError{Op: "lock", Path: path, Err: err}
		}
		if err != nil && waiting != nil {
			waiting()
			waiting = nil
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(pollInterval):
		}
	}
}

// tryFlock gives nil without an error when the file was removed or replaced while it was opened.
func tryFlock(path string, how int) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	var opened, there unix.Stat_t
	if err = unix.Flock(int(f.Fd()), how|unix.LOCK_NB); err == nil {
		err = unix.Fstat(int(f.Fd()), &opened)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	if err := unix.Stat(path, &there); err != nil || opened.Ino != there.Ino || opened.Dev != there.Dev {
		f.Close()
		return nil, nil
	}
	return f, nil
}

package storage

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// syncAll makes everything that was written to the store's file system durable: one call for all files of an image.
func (s *Store) syncAll() error {
	if s.options.NoSync {
		return nil
	}
	d, err := os.Open(string(s.dir))
	if err != nil {
		return err
	}
	defer d.Close()
	if err := unix.Syncfs(int(d.Fd())); err != nil {
		return fmt.Errorf("sync %s: %w", s.dir, err)
	}
	return nil
}

// syncFiles makes files, and the entries of directories, durable one by one.
func (s *Store) syncFiles(paths ...string) error {
	if s.options.NoSync {
		return nil
	}
	for _, path := range paths {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		err = f.Sync()
		f.Close()
		if err != nil {
			return fmt.Errorf("sync %s: %w", path, err)
		}
	}
	return nil
}

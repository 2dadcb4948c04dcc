package storage

import (
	"errors"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// HoldImages keeps Remove and RemoveVolume from deleting anything until release is called. It is held for the moment in which a
// container directory that names an image or a volume is written.
func (s *Store) HoldImages() (release func(), err error) {
	return s.lock("hold", unix.LOCK_SH)
}

// UseImage keeps Remove from deleting the image, by its id, until release is called: a build holds its base images.
func (s *Store) UseImage(id string) (release func(), err error) {
	return s.lock(filepath.Join("used", id), unix.LOCK_SH)
}

// writing says that layers are being added, which may share some with what an abandoned journal would remove.
func (s *Store) writing() (release func(), err error) {
	return s.lock("writers", unix.LOCK_SH)
}

// alone says that nobody is adding layers, and keeps it so until release is called.
func (s *Store) alone() (busy bool, release func(), err error) {
	return s.tryLock("writers")
}

// lock takes a flock on a file of the store's directory and waits for it. Only the descriptor holds it, so that it goes away
// with its process.
func (s *Store) lock(name string, how int) (release func(), err error) {
	f, err := s.lockFile(name)
	if err != nil {
		return nil, err
	}
	if err := flock(f, how); err != nil {
		f.Close()
		return nil, err
	}
	return func() { f.Close() }, nil
}

// tryLock takes the flock for itself alone, or says that somebody has it.
func (s *Store) tryLock(name string) (busy bool, release func(), err error) {
	f, err := s.lockFile(name)
	if err != nil {
		return false, nil, err
	}
	err = flock(f, unix.LOCK_EX|unix.LOCK_NB)
	if err == nil {
		return false, func() { f.Close() }, nil
	}
	f.Close()
	if errors.Is(err, unix.EWOULDBLOCK) {
		return true, nil, nil
	}
	return false, nil, err
}

func (s *Store) lockPath(name string) string { return filepath.Join(string(s.dir), "locks", name) }

func (s *Store) lockFile(name string) (*os.File, error) {
	path := s.lockPath(name)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err == nil || !errors.Is(err, os.ErrNotExist) {
		return f, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	return os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
}

func flock(f *os.File, how int) error {
	for {
		err := unix.Flock(int(f.Fd()), how)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return &os.PathError{Op: "lock", Path: f.Name(), Err: err}
		}
		return nil
	}
}

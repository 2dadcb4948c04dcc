package storage

import (
	"errors"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// ballastSize is the room that is kept for removing things on a full disk: the record files are written anew for it. In bytes.
const ballastSize = 1 << 20

func (s *Store) ballast() string { return filepath.Join(string(s.dir), "ballast") }

// keepRoom sets room aside. When there is none left it does without.
func (s *Store) keepRoom() {
	f, err := os.OpenFile(s.ballast(), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return
	}
	defer f.Close()
	if err := unix.Fallocate(int(f.Fd()), 0, 0, ballastSize); err != nil {
		os.Remove(f.Name())
	}
}

// withRoom does something that frees space, a second time with the room set aside when the disk is full.
func (s *Store) withRoom(do func() error) error {
	err := do()
	if err == nil || !errors.Is(s.explain(err), ErrNoSpace) {
		return err
	}
	if os.Remove(s.ballast()) != nil {
		return err
	}
	defer s.keepRoom()
	return do()
}

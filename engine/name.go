package engine

import (
	"crypto/rand"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"codeberg.org/hoy/hoy/engine/monitor"
)

// A name is a symbolic link to an id. Making the link claims the name: no lock is taken, and no other container is looked at.

// claimName gives the container a name; ErrNameInUse. A name that a killed command left behind is taken over.
func (e *Engine) claimName(p monitor.Place, name string) error {
	link := filepath.Join(p.Names(), name)
	err := os.Symlink(p.ID, link)
	if errors.Is(err, os.ErrNotExist) {
		if err := os.MkdirAll(p.Names(), 0o700); err != nil {
			return err
		}
		err = os.Symlink(p.ID, link)
	}
	if !errors.Is(err, os.ErrExist) {
		return err
	}
	if owner := e.nameOwner(link); owner != "" {
		return nameInUse(name, owner)
	}
	return e.takeOver(p, name, link)
}

// nameOwner gives the id that a name belongs to, or "" when its container does not exist and is not being made.
func (e *Engine) nameOwner(link string) string {
	id, err := os.Readlink(link)
	if err != nil || !isID(id) {
		return ""
	}
	if e.place(id).Kept() {
		return id
	}
	if _, err := e.load(id); errors.Is(err, ErrNoContainer) {
		return ""
	}
	return id
}

// takeOver replaces a name that belongs to nobody. Two who see that at once are kept apart by a lock that nothing else takes.
func (e *Engine) takeOver(p monitor.Place, name, link string) error {
	dir, err := os.Open(p.Names())
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := unix.Flock(int(dir.Fd()), unix.LOCK_EX); err != nil {
		return fmt.Errorf("lock %s: %w", p.Names(), err)
	}
	if err := os.Symlink(p.ID, link); !errors.Is(err, os.ErrExist) {
		return err
	}
	if owner := e.nameOwner(link); owner != "" {
		return nameInUse(name, owner)
	}
	// Only here is a link ever replaced: who removes a container frees its name while it still holds its lock.
	next := filepath.Join(p.Names(), "."+p.ID)
	if err := os.Symlink(p.ID, next); err != nil {
		return err
	}
	if err := os.Rename(next, link); err != nil {
		os.Remove(next)
		return err
	}
	return nil
}

// freeNames frees the names that a killed command has claimed for a container that it did not come to make. known are the containers that
// need not be asked.
func (e *Engine) freeNames(known []*Container) {
	names := e.place("").Names()
	entries, err := os.ReadDir(names)
	if err != nil || len(entries) == len(known) {
		return
	}
	ids := make(map[string]bool, len(known))
	for _, c := range known {
		ids[c.ID()] = true
	}
	for _, entry := range entries {
		link := filepath.Join(names, entry.Name())
		if id, err := os.Readlink(link); err == nil && !ids[id] {
			e.freeName(names, link)
		}
	}
}

// freeName removes a name that belongs to nobody. Who takes such a name over holds the same lock.
func (e *Engine) freeName(names, link string) {
	dir, err := os.Open(names)
	if err != nil {
		return
	}
	defer dir.Close()
	if unix.Flock(int(dir.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil && e.nameOwner(link) == "" {
		os.Remove(link)
	}
}

// nameError is Docker's message for a name that another container has.
type nameError struct{ name, owner string }

func nameInUse(name, owner string) error { return &nameError{name, owner} }

func (e *nameError) Error() string {
	return fmt.Sprintf("Conflict. The container name %q is already in use by container %q. You have to remove (or rename) that container to be able to reuse that name.", "/"+e.name, e.owner)
}

func (e *nameError) Unwrap() error { return ErrNameInUse }

// claimAnyName gives the container a name of two words, as Docker does: after some tries with a digit, in the end the short id.
func (e *Engine) claimAnyName(p monitor.Place) (string, error) {
	for try := range 6 {
		name := pick(adjectives) + "_" + pick(surnames)
		if try > 0 {
			name += strconv.Itoa(random(10))
		}
		err := e.claimName(p, name)
		if err == nil || !errors.Is(err, ErrNameInUse) {
			return name, err
		}
	}
	return p.ID[:12], e.claimName(p, p.ID[:12])
}

func pick(words []string) string { return words[random(len(words))] }

// random gives a number below n. crypto/rand does not fail on Linux.
func random(n int) int {
	i, err := rand.Int(rand.Reader, big.NewInt(int64(n)))
	if err != nil {
		return 0
	}
	return int(i.Int64())
}

// lockDir keeps apart two who change one container's record.
func lockDir(path string) (unlock func() error, err error) {
	dir, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(dir.Fd()), unix.LOCK_EX); err != nil {
		dir.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return dir.Close, nil
}

// Rename gives the container another name; ErrNameInUse.
func (e *Engine) Rename(c *Container, name string) error {
	if err := c.usable(); err != nil {
		return err
	}
	next := c.Config
	next.Name = name
	if err := next.Validate(); err != nil {
		return err
	}
	if name == c.Config.Name {
		return fmt.Errorf("Renaming a container with the same name as its current name")
	}
	// Two renames of one container wait for each other; its monitor, which writes no config, is not disturbed.
	unlock, err := lockDir(c.place.Dir())
	if errors.Is(err, os.ErrNotExist) {
		return &refError{c.Name(), ErrNoContainer}
	}
	if err != nil {
		return err
	}
	defer unlock()
	r, err := readRecord(c.place)
	if err != nil {
		return err
	}
	old := r.Name
	if err := e.claimName(c.place, name); err != nil {
		return err
	}
	r.Name = name
	if err := writeRecord(c.place, r); err != nil {
		return errors.Join(err, monitor.ReleaseName(c.place, name))
	}
	renamed := &Container{Config: r.Config}
	e.happened(renamed, "rename", "oldName", "/"+old)
	return errors.Join(monitor.ReleaseName(c.place, old), monitor.SyncDir(c.place.Names(), r.durability()), e.networksOf(nil).Rename(c.ID(), name))
}

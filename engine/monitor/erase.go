package monitor

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path"
	"sync"

	"golang.org/x/sys/unix"

	"codeberg.org/hoy/hoy/engine/event"
)

// Erase removes the container and the directories of its anonymous volumes that no other container mounts. The caller holds the
// container's lock. Its config goes first: with it the container is gone, and what is left without a config and a holder of its lock is
// garbage, for the next look to remove. What may not be removed here (files of the user's subordinate ids, outside of
// the user namespace) is put aside.
func Erase(p Place, volumes []string) error {
	unlock, err := lockRecord(p)
	if err != nil {
		return err
	}
	defer unlock()
	brief := ReadBrief(p)
	if err := unix.Unlink(p.File(ConfigFile)); err != nil && err != unix.ENOENT {
		return fmt.Errorf("remove %s: %w", p.File(ConfigFile), err)
	}
	if brief.Name != "" {
		event.Write(p.Root, brief.Event(p.ID, "destroy"))
	}
	if err := ReleaseName(p, brief.Name); err != nil {
		return err
	}
	unlock()
	if point := p.MountPoint(); unix.Unmount(point, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW) == nil {
		os.Remove(point)
	}
	if err := removeDir(p); err != nil {
		if asideErr := putAside(p); asideErr != nil {
			return errors.Join(err, asideErr)
		}
	}
	for _, dir := range volumes {
		if !mounted(p, path.Base(dir)) {
			if err := RemoveTree(dir); err != nil {
				return err
			}
			event.Write(p.Root, event.Event{Type: "volume", Action: "destroy", ID: path.Base(dir), Attributes: map[string]string{"driver": "local"}})
		}
	}
	return nil
}

// removeDir removes the container's directory. What overlay has made beside the container's files takes as long as the rest, and goes at the same time.
func removeDir(p Place) error {
	work := make(chan error, 1)
	go func() { work <- RemoveTree(p.File(WorkDir)) }()
	err := RemoveTree(p.File(UpperDir))
	return errors.Join(err, <-work, RemoveTree(p.Dir()))
}

// lockRecord keeps a rename of the container away: it would write the config that is being removed, and claim a name for it.
func lockRecord(p Place) (unlock func(), err error) {
	fd, err := unix.Open(p.Dir(), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err == unix.ENOENT {
		return func() {}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", p.Dir(), err)
	}
	var once sync.Once
	unlock = func() { once.Do(func() { unix.Close(fd) }) }
	for {
		err := unix.Flock(fd, unix.LOCK_EX)
		if err == nil {
			return unlock, nil
		}
		if err != unix.EINTR {
			unlock()
			return nil, fmt.Errorf("lock %s: %w", p.Dir(), err)
		}
	}
}

// ReleaseName frees a name if it is the container's.
func ReleaseName(p Place, name string) error {
	if name == "" {
		return nil
	}
	link := path.Join(p.Names(), name)
	if id, err := os.Readlink(link); err != nil || id != p.ID {
		return nil
	}
	if err := unix.Unlink(link); err != nil && err != unix.ENOENT {
		return fmt.Errorf("remove %s: %w", link, err)
	}
	return nil
}

func putAside(p Place) error {
	if err := os.MkdirAll(p.Garbage(), 0o700); err != nil {
		return err
	}
	return os.Rename(p.Dir(), path.Join(p.Garbage(), p.ID))
}

// Sweep removes what was put aside, and run directories whose removal was cut short.
func Sweep(p Place) {
	for _, dir := range []string{p.Garbage(), p.gone()} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			continue
		}
		for _, e := range entries {
			RemoveTree(path.Join(dir, e.Name())) // what stays, stays for the next sweep
		}
	}
}

// mounted says whether another container's config names the volume. An anonymous volume's name is random and long, so it is found
// in the text, without decoding it.
func mounted(p Place, volume string) bool {
	entries, err := os.ReadDir(p.Containers())
	if err != nil {
		return true
	}
	for _, e := range entries {
		other := Place{Root: p.Root, ID: e.Name()}
		data, err := os.ReadFile(other.File(ConfigFile))
		if err == nil && e.Name() != p.ID && bytes.Contains(data, []byte(volume)) {
			return true
		}
	}
	return false
}

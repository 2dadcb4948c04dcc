package monitor

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"

	"golang.org/x/sys/unix"
)

// Erase removes the container and the directories of its anonymous volumes that no other container mounts. The caller holds the
// container's lock. Its config goes first: with it the container is gone, and what is left without a config and a holder of its lock is
// garbage, for the next look to remove. What may not be removed here (files of the user's subordinate ids, outside of
// the user namespace) is put aside.
func Erase(p Place, volumes []string) error {
	name := configName(p)
	if err := unix.Unlink(p.File(ConfigFile)); err != nil && err != unix.ENOENT {
		return fmt.Errorf("remove %s: %w", p.File(ConfigFile), err)
	}
	if err := ReleaseName(p, name); err != nil {
		return err
	}
	if err := RemoveTree(p.Dir()); err != nil {
		if asideErr := putAside(p); asideErr != nil {
			return errors.Join(err, asideErr)
		}
	}
	for _, dir := range volumes {
		if !mounted(p, path.Base(dir)) {
			if err := RemoveTree(dir); err != nil {
				return err
			}
		}
	}
	return nil
}

// configName reads no more of the container's config than its name.
func configName(p Place) string {
	var c struct {
		Name string `json:"name"`
	}
	data, err := os.ReadFile(p.File(ConfigFile))
	if err != nil || json.Unmarshal(data, &c) != nil {
		return ""
	}
	return c.Name
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

// Sweep removes what was put aside.
func Sweep(p Place) {
	entries, err := os.ReadDir(p.Garbage())
	if err != nil {
		return
	}
	for _, e := range entries {
		RemoveTree(path.Join(p.Garbage(), e.Name())) // what stays, stays for the next sweep
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

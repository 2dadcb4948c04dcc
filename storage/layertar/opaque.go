package layertar

import (
	"errors"
	"path"

	"golang.org/x/sys/unix"
)

// hides says whether an opaque directory has something below it. Overlay marks every new directory as opaque, also where nothing
// was; such a mark must not go into the tar.
func (w *writer) hides(name string) bool {
	for _, lower := range w.Lower {
		switch present(lower, name) {
		case exists:
			return true
		case deleted:
			return false
		}
		for parent := path.Dir(name); parent != "."; parent = path.Dir(parent) {
			if present(lower, parent) == deleted {
				return false
			}
		}
	}
	return false
}

type presence int

const (
	absent presence = iota
	exists
	deleted // there is a whiteout
)

// present says whether a lower directory has a file of this name. Links on the way are followed inside it.
func present(lower, name string) presence {
	dir, err := unix.Open(lower, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return absent
	}
	defer unix.Close(dir)
	how := &unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT}
	fd, err := unix.Openat2(dir, name, how)
	for errors.Is(err, unix.EAGAIN) { // something was mounted or renamed somewhere meanwhile: openat2(2)
		fd, err = unix.Openat2(dir, name, how)
	}
	if err != nil {
		return absent
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return absent
	}
	if st.Mode&unix.S_IFMT == unix.S_IFCHR && st.Rdev == 0 {
		return deleted
	}
	return exists
}

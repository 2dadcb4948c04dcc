package engine

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"codeberg.org/hoy/hoy/engine/carry"
	"codeberg.org/hoy/hoy/oci/child"
)

// places are what every container has of hoy and not of its image. Where the image lacks them, mounting makes them in the upper directory, empty;
// Docker keeps them in a layer of their own, which neither `diff` nor `commit` shows.
var places = []string{
	"proc", "sys", "dev", "dev/pts", "dev/shm", "dev/mqueue", "dev/console", "etc/hosts", "etc/hostname", "etc/resolv.conf",
}

// leavePlaces passes over such places in an upper directory. base is the image's root.
func leavePlaces(base int) carry.Leave {
	return func(name string, st *unix.Stat_t) bool {
		dir := st.Mode&unix.S_IFMT == unix.S_IFDIR
		if !slices.Contains(places, name) || !dir && (st.Mode&unix.S_IFMT != unix.S_IFREG || st.Size > 0) {
			return false
		}
		var below unix.Stat_t
		return unix.Fstatat(base, name, &below, unix.AT_SYMLINK_NOFOLLOW) != nil
	}
}

// Diff lists what the container has changed of its image, by path.
func (e *Engine) Diff(c *Container) ([]carry.Change, error) {
	if err := c.usable(); err != nil {
		return nil, err
	}
	if c.Config.Rootfs != "" {
		return nil, errors.New("a container with --rootfs has no changes apart from it")
	}
	var changes []carry.Change
	err := e.withUpper(c, func(upper, base int) (err error) {
		changes, err = carry.Diff(upper, base, leavePlaces(base))
		return err
	})
	return changes, e.orGone(c, err)
}

// withUpper opens the container's upper directory and the root of its image.
func (e *Engine) withUpper(c *Container, do func(upper, base int) error) error {
	lower, err := e.layers(c)
	if err != nil {
		return err
	}
	base, err := e.readOnlyView(lower)
	if err != nil {
		return err
	}
	defer base.Close()
	fd, err := unix.Open(c.Upper(), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: c.Upper(), Err: err}
	}
	defer unix.Close(fd)
	return do(fd, int(base.Root))
}

// readOnlyView shows merged directories, top first. None at all is an empty root.
func (e *Engine) readOnlyView(l lowers) (*View, error) {
	if len(l.dirs) == 0 {
		empty, err := os.MkdirTemp(e.o.Root, ".empty-")
		if err != nil {
			return nil, err
		}
		defer os.Remove(empty)
		l.dirs = []string{empty}
	}
	return startView(&child.Plan{
		Clone:    unix.CLONE_NEWNS,
		Rootfs:   child.Rootfs{Lower: l.dirs, Data: l.data},
		Args:     []string{"/"},
		IDs:      &child.IDs{},
		Rootless: e.o.Rootless,
	})
}

// Export writes the container's root as a tar, running or not, without what is mounted in it.
func (e *Engine) Export(ctx context.Context, c *Container, w io.Writer) error {
	if err := c.usable(); err != nil {
		return err
	}
	all := lowers{dirs: []string{c.Config.Rootfs}}
	if c.Config.Rootfs == "" {
		lower, err := e.layers(c)
		if err != nil {
			return err
		}
		all = lowers{append([]string{filepath.Clean(c.Upper())}, lower.dirs...), lower.data}
	}
	v, err := e.readOnlyView(all)
	if err != nil {
		return err
	}
	defer v.Close()
	err = carry.Pack(ctx, w, carry.Source{Dir: int(v.Root), Base: ".", IDs: c.upperIDs()})
	if err == nil {
		e.happened(c, "export")
	}
	return err
}

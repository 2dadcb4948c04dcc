package copier

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"

	"codeberg.org/hoy/hoy/build/rootfs"
	"golang.org/x/sys/unix"
)

// destDir is a directory of the destination.
type destDir struct {
	node   rootfs.Node
	fresh  bool                    // this copy made it: nothing can be in the way in it
	has    map[string]*rootfs.Node // what was in it before; nil until something is put in
	setgid bool                    // files in it inherit its group
	acl    *bool                   // files in it inherit an access control list, which changes their mode; nil: not known yet
}

// open opens the directory to be written in.
func (d *destDir) open(w *rootfs.Writer) (int, error) {
	fd, err := w.Dir(&d.node)
	if err != nil || d.acl != nil {
		return fd, err
	}
	size, err := unix.Getxattr(fmt.Sprintf("/proc/self/fd/%d", fd), "system.posix_acl_default", nil)
	acl := err == nil && size > 0
	d.acl = &acl
	return fd, nil
}

// umask is the process's, and everything where it cannot be read.
func umask() uint32 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0o777
	}
	_, rest, _ := strings.Cut(string(status), "\nUmask:")
	line, _, _ := strings.Cut(rest, "\n")
	mask, err := strconv.ParseUint(strings.TrimSpace(line), 8, 32)
	if err != nil {
		return 0o777
	}
	return uint32(mask)
}

// destination finds, and where it must makes, the directory that the source goes into, and the name that a file gets in it.
func (c *copying) destination() error {
	t := c.target
	made := rootfs.Meta{Mode: 0o755}
	if t.Owner != nil {
		made.UID, made.GID = t.Owner.UID, t.Owner.GID
	}
	// A destination that is named as a directory is one, whatever the source is: foo/ and foo/. alike.
	if strings.HasSuffix(t.Dest, "/") || strings.HasSuffix(t.Dest, "/.") {
		if _, err := t.Writer.MkdirAll(t.Dest, made); err != nil {
			return copyError(err)
		}
	}
	n, rest, err := t.Writer.Resolve(t.Dest)
	if err != nil {
		return copyError(err)
	}
	first := &c.source.Entries[0]
	if len(rest) == 0 && !n.IsDir() {
		if first.IsDir() {
			return fmt.Errorf("cannot copy to non-directory: /%s", n.Path)
		}
		return c.into(path.Dir("/"+n.Path), path.Base(n.Path), made)
	}
	full := path.Join(append([]string{"/", n.Path}, rest...)...)
	if first.IsDir() {
		return c.into(full, "", made)
	}
	if len(rest) == 0 {
		return c.into(full, c.source.Name, made)
	}
	return c.into(path.Dir(full), path.Base(full), made)
}

// into notes the directory that the source goes into, made when it is missing.
func (c *copying) into(dir, name string, made rootfs.Meta) error {
	n, err := c.target.Writer.MkdirAll(dir, made)
	if err != nil {
		return copyError(err)
	}
	c.name = name
	c.dirs[""] = c.newDir(n, false)
	return nil
}

func (c *copying) newDir(n rootfs.Node, fresh bool) *destDir {
	return &destDir{node: n, fresh: fresh, setgid: n.Stat.Mode&unix.S_ISGID != 0}
}

// existing gives what a destination directory has under a name; nil when there is nothing.
func (c *copying) existing(d *destDir, name string) (*rootfs.Node, error) {
	if d.fresh {
		return nil, nil
	}
	if d.has != nil {
		return d.has[name], nil
	}
	n, err := c.target.Writer.Child(&d.node, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return &n, err
}

// list reads a destination directory once when many files go into it.
func (c *copying) list(d *destDir) error {
	if d.fresh || d.has != nil {
		return nil
	}
	nodes, err := c.target.Writer.ReadDir(&d.node)
	if err != nil {
		return err
	}
	d.has = make(map[string]*rootfs.Node, len(nodes))
	for i := range nodes {
		d.has[path.Base(nodes[i].Path)] = &nodes[i]
	}
	return nil
}

// clear makes room for a file.
func (c *copying) clear(d *destDir, name string) error {
	there, err := c.existing(d, name)
	if err != nil || there == nil {
		return err
	}
	if there.IsDir() {
		return fmt.Errorf("cannot replace to directory /%s with file", there.Path)
	}
	return c.target.Writer.Remove(there)
}

// copyError gives an error of a look-up in the destination BuildKit's words.
func copyError(err error) error {
	var pe *os.PathError
	if errors.As(err, &pe) && errors.Is(err, unix.ENOTDIR) {
		return fmt.Errorf("cannot copy to non-directory: %s: %w", pe.Path, err)
	}
	return err
}

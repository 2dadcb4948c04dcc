package copier

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"codeberg.org/hoy/hoy/build/rootfs"
	"golang.org/x/sys/unix"
)

// ExtractOptions says how Extract writes.
type ExtractOptions struct {
	Owner *Owner // every file's; nil takes the archive's
	Plain bool   // a context: what is not a file, a directory or a link is left out
	// NoDevices leaves devices out: a user namespace may not make any, and its containers get theirs from the host. Docker does the same.
	NoDevices bool
}

// Extract unpacks a tar, which may be compressed, into a directory of the tree as a process would whose root that directory is: no
// name, link or earlier entry of the archive leads out of it. The directory is made when it is missing.
func Extract(ctx context.Context, w *rootfs.Writer, dest string, r io.Reader, o ExtractOptions) error {
	d, err := Decompress(r)
	if err != nil {
		return err
	}
	made := rootfs.Meta{Mode: 0o755}
	if o.Owner != nil {
		made.UID, made.GID = o.Owner.UID, o.Owner.GID
	}
	base, err := w.MkdirAll(dest, made)
	if err != nil {
		return copyError(err)
	}
	x := &extraction{writer: w, base: base, options: o}
	t := tar.NewReader(d)
	for {
		h, err := t.Next()
		if err == io.EOF {
			return x.times()
		}
		if err == nil {
			err = context.Cause(ctx)
		}
		if err == nil {
			err = x.entry(h, t)
		}
		if err != nil {
			return fmt.Errorf("unpack: %w", err)
		}
	}
}

type extraction struct {
	writer  *rootfs.Writer
	base    rootfs.Node // the archive's root
	options ExtractOptions
	last    string       // the directory of the last entry …
	lastDir *rootfs.Node // … and where it is
	dirs    []extractedDir
}

// extractedDir is a directory whose time is set when everything is unpacked.
type extractedDir struct {
	parent rootfs.Node
	name   string
	mtime  unix.Timespec
}

func (x *extraction) entry(h *tar.Header, r io.Reader) error {
	p := strings.TrimPrefix(path.Join("/", h.Name), "/")
	if p == "" || h.Typeflag == tar.TypeXGlobalHeader {
		return nil
	}
	if err := x.write(p, h, r); err != nil {
		return fmt.Errorf("%s: %w", h.Name, err)
	}
	return nil
}

// write makes one entry.
func (x *extraction) write(p string, h *tar.Header, r io.Reader) error {
	device := h.Typeflag == tar.TypeChar || h.Typeflag == tar.TypeBlock
	if x.options.Plain && !plain(h.Typeflag) || x.options.NoDevices && device {
		return nil
	}
	parent, err := x.parent(path.Dir(p))
	if err != nil {
		return err
	}
	name := path.Base(p)
	merged, err := x.clear(parent, name, h.Typeflag == tar.TypeDir)
	if err != nil {
		return err
	}
	m := x.meta(h)
	if h.Typeflag == tar.TypeDir {
		return x.directory(parent, name, m, merged)
	}
	dir, err := x.writer.Dir(parent)
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	if h.Typeflag == tar.TypeLink {
		return x.link(dir, name, h.Linkname) // it has the metadata of what it links to
	}
	if err := x.file(dir, name, h, r); err != nil {
		return err
	}
	return rootfs.SetMeta(dir, name, m)
}

// directory makes a directory, or gives one that is there the entry's metadata.
func (x *extraction) directory(parent *rootfs.Node, name string, m rootfs.Meta, merged bool) error {
	x.dirs = append(x.dirs, extractedDir{*parent, name, *m.Mtime})
	if !merged {
		_, err := x.writer.Mkdir(parent, name, m)
		return err
	}
	there, err := x.writer.Child(parent, name)
	if err != nil {
		return err
	}
	fd, err := x.writer.Dir(&there)
	if err != nil {
		return err
	}
	unix.Close(fd)
	dir, err := x.writer.Dir(parent)
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	return rootfs.SetMeta(dir, name, m)
}

// file makes what is neither a directory nor a hard link, without its metadata.
func (x *extraction) file(dir int, name string, h *tar.Header, r io.Reader) error {
	switch h.Typeflag {
	case tar.TypeReg, tar.TypeGNUSparse, tar.TypeCont:
		return writeRegular(dir, name, r)
	case tar.TypeSymlink:
		return unix.Symlinkat(h.Linkname, dir, name)
	case tar.TypeChar, tar.TypeBlock, tar.TypeFifo:
		return mknod(dir, name, h)
	}
	return fmt.Errorf("unknown type %q of an archive's entry", h.Typeflag)
}

func plain(t byte) bool {
	return t == tar.TypeReg || t == tar.TypeGNUSparse || t == tar.TypeCont || t == tar.TypeDir || t == tar.TypeSymlink || t == tar.TypeLink
}

// parent finds or makes the directory of an entry.
func (x *extraction) parent(dir string) (*rootfs.Node, error) {
	if x.lastDir != nil && x.last == dir {
		return x.lastDir, nil
	}
	n, err := x.writer.MkdirAllFrom(&x.base, dir, rootfs.Meta{Mode: 0o755})
	if err != nil {
		return nil, err
	}
	x.last, x.lastDir = dir, &n
	return &n, nil
}

// clear removes what is in an entry's place, except a directory for a directory: the two are merged.
func (x *extraction) clear(parent *rootfs.Node, name string, dir bool) (merged bool, err error) {
	there, err := x.writer.Child(parent, name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil || dir && there.IsDir() {
		return err == nil, err
	}
	x.lastDir = nil
	return false, x.writer.Remove(&there)
}

// link makes a hard link to a file of the tree, which is copied up first where it lies below the top directory.
func (x *extraction) link(dir int, name, target string) error {
	p := path.Join("/", target)
	parent, rest, err := x.writer.ResolveFrom(&x.base, path.Dir(p))
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return fmt.Errorf("link to %s: %w", target, fs.ErrNotExist)
	}
	n, err := x.writer.Child(&parent, path.Base(p))
	if err != nil {
		return fmt.Errorf("link to %s: %w", target, errors.Unwrap(err))
	}
	from, err := x.writer.Dir(&parent)
	if err != nil {
		return err
	}
	defer unix.Close(from)
	if !x.writer.InTop(&n) {
		if err := x.copyUp(from, &n); err != nil {
			return err
		}
	}
	if err := unix.Linkat(from, path.Base(p), dir, name, 0); err != nil {
		return fmt.Errorf("link to %s: %w", target, err)
	}
	return nil
}

// copyUp copies a regular file of a lower directory into the top one.
func (x *extraction) copyUp(dir int, n *rootfs.Node) error {
	attrs, err := x.writer.Xattrs(n)
	if err != nil {
		return err
	}
	f, err := x.writer.Open(n)
	if err != nil {
		return err
	}
	defer f.Close()
	name := path.Base(n.Path)
	if err := writeRegular(dir, name, f); err != nil {
		return err
	}
	st := &n.Stat
	m := rootfs.Meta{Mode: st.Mode & 0o7777, UID: int(st.Uid), GID: int(st.Gid), Mtime: &st.Mtim, Xattrs: attrs}
	return rootfs.SetMeta(dir, name, m)
}

func (x *extraction) meta(h *tar.Header) rootfs.Meta {
	mtime := unix.NsecToTimespec(h.ModTime.UnixNano())
	m := rootfs.Meta{Mode: uint32(h.Mode) & 0o7777, UID: h.Uid, GID: h.Gid, Mtime: &mtime, Xattrs: map[string]string{}}
	for k, v := range h.PAXRecords {
		if attr, ok := strings.CutPrefix(k, "SCHILY.xattr."); ok && rootfs.KeepXattr(attr) {
			m.Xattrs[attr] = v
		}
	}
	if x.options.Owner != nil {
		m.UID, m.GID = x.options.Owner.UID, x.options.Owner.GID
	}
	return m
}

func (x *extraction) times() error {
	for i := len(x.dirs) - 1; i >= 0; i-- {
		d := &x.dirs[i]
		fd, err := x.writer.Dir(&d.parent)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
			continue // a later entry took its place
		}
		if err != nil {
			return err
		}
		err = rootfs.SetMtime(fd, d.name, &d.mtime)
		unix.Close(fd)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func writeRegular(dir int, name string, r io.Reader) error {
	fd, err := unix.Openat(dir, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	_, err = io.CopyBuffer(fdWriter(fd), struct{ io.Reader }{r}, make([]byte, 128<<10))
	return errors.Join(err, unix.Close(fd))
}

// mknod makes a device or a FIFO. A device 0:0 is overlay's whiteout, which only overlay may make.
func mknod(dir int, name string, h *tar.Header) error {
	kind := map[byte]uint32{tar.TypeChar: unix.S_IFCHR, tar.TypeBlock: unix.S_IFBLK, tar.TypeFifo: unix.S_IFIFO}[h.Typeflag]
	dev := unix.Mkdev(uint32(h.Devmajor), uint32(h.Devminor))
	if kind == unix.S_IFCHR && dev == 0 {
		return errors.New("a character device 0:0 would be a whiteout in a layer")
	}
	if err := unix.Mknodat(dir, name, kind|0o600, int(dev)); err != nil {
		return fmt.Errorf("mknod: %w", err)
	}
	return nil
}

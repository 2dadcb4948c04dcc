// Package layertar writes an overlay upper directory as the tar of a layer.
//
// The bytes follow from the directory alone, and are those that containers/storage v1.64 makes of a layer whose tar it has not seen
// (archive.TarWithOptions as its overlay driver calls it). Other versions make others, so what tar-split needs is recorded too.
package layertar

import (
	"archive/tar"
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/vbatts/tar-split/tar/storage"
	"golang.org/x/sys/unix"
)

// The names by which a layer's tar deletes, as AUFS and the OCI image specification (layer.md) have them.
const (
	whiteoutPrefix = ".wh."
	opaqueMarker   = ".wh..wh..opq"
)

// Digest computes the digest (sha256:…) and the length in bytes of a layer's tar. It records in split what tar-split needs to make
// the tar again; nil: nothing.
func Digest(ctx context.Context, split io.Writer, dir string, lower []string) (digest string, size int64, err error) {
	h := sha256.New()
	c := &counter{w: h}
	if err := write(ctx, c, split, dir, lower); err != nil {
		return "", 0, err
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil)), c.n, nil
}

type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// Write writes the tar of the directory dir, an overlay's upper or a place where files were written. lower are the diff directories
// below it, top first: a directory that is opaque, and that one of them has, hides what they have in it. Owners are those that
// the caller sees; sockets are left out, as no tar can hold one.
func Write(ctx context.Context, w io.Writer, dir string, lower []string) error {
	return write(ctx, w, nil, dir, lower)
}

func write(ctx context.Context, w, split io.Writer, dir string, lower []string) error {
	buf := bufio.NewWriterSize(w, 256<<10)
	out := &splitter{w: buf}
	if split != nil {
		out.packer = storage.NewJSONPacker(split)
	}
	lw := &writer{ctx: ctx, tar: tar.NewWriter(out), out: out, lower: lower, seen: map[uint64]string{}, copy: make([]byte, 256<<10)}
	root, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	if err := lw.directory(root, ""); err != nil {
		return err
	}
	if err := lw.tar.Close(); err != nil {
		return err
	}
	if err := out.flush(); err != nil {
		return err
	}
	return buf.Flush()
}

type writer struct {
	ctx   context.Context
	tar   *tar.Writer
	out   *splitter // below tar
	lower []string
	seen  map[uint64]string // the first name of each file with several
	copy  []byte
}

// begin writes an entry's header; end must follow its content.
func (w *writer) begin(hdr *tar.Header) error {
	if err := w.tar.WriteHeader(hdr); err != nil {
		return fmt.Errorf("tar %s: %w", hdr.Name, err)
	}
	return w.out.begin()
}

// empty writes an entry without content.
func (w *writer) empty(hdr *tar.Header) error {
	if err := w.begin(hdr); err != nil {
		return err
	}
	return w.out.end(hdr)
}

// directory writes what is in a directory, which is called name in the tar ("" for the root, which has no entry).
func (w *writer) directory(dir *os.File, name string) error {
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return err
	}
	slices.Sort(names)
	for _, base := range names {
		if err := w.ctx.Err(); err != nil {
			return err
		}
		if err := w.entry(dir, base, path.Join(name, base)); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) entry(dir *os.File, base, name string) error {
	var st unix.Stat_t
	if err := unix.Fstatat(int(dir.Fd()), base, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return &fs.PathError{Op: "stat", Path: dir.Name() + "/" + base, Err: err}
	}
	hdr, err := header(dir, base, name, &st)
	if err != nil || hdr == nil {
		return err
	}
	full := dir.Name() + "/" + base
	opaque, err := readXattrs(full, hdr)
	if err != nil {
		return err
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		return w.writeDirectory(full, hdr, opaque)
	default:
		return w.writeFile(full, hdr, &st)
	}
}

// header describes a file; it is nil for a socket.
func header(dir *os.File, base, name string, st *unix.Stat_t) (*tar.Header, error) {
	hdr := &tar.Header{
		Name:     name,
		Mode:     int64(st.Mode & 0o7777),
		Uid:      int(st.Uid),
		Gid:      int(st.Gid),
		ModTime:  time.Unix(st.Mtim.Sec, 0),
		Typeflag: tar.TypeReg,
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		hdr.Size = st.Size
	case unix.S_IFDIR:
		hdr.Typeflag = tar.TypeDir
		hdr.Name += "/"
	case unix.S_IFLNK:
		target, err := readlink(dir, base, st.Size)
		if err != nil {
			return nil, err
		}
		hdr.Typeflag, hdr.Linkname = tar.TypeSymlink, target
	case unix.S_IFCHR, unix.S_IFBLK:
		hdr.Typeflag = tar.TypeChar
		if st.Mode&unix.S_IFMT == unix.S_IFBLK {
			hdr.Typeflag = tar.TypeBlock
		}
		hdr.Devmajor, hdr.Devminor = int64(unix.Major(st.Rdev)), int64(unix.Minor(st.Rdev))
	case unix.S_IFIFO:
		hdr.Typeflag = tar.TypeFifo
	default:
		return nil, nil
	}
	return hdr, nil
}

func readlink(dir *os.File, base string, size int64) (string, error) {
	buf := make([]byte, max(size, 255)+1)
	n, err := unix.Readlinkat(int(dir.Fd()), base, buf)
	if err != nil {
		return "", &fs.PathError{Op: "readlink", Path: dir.Name() + "/" + base, Err: err}
	}
	return string(buf[:n]), nil
}

// writeFile writes a file that is not a directory. A character device 0:0 is overlay's whiteout. It is often hard-linked, and its
// entry then keeps the name it is linked to, as containers/storage writes it.
func (w *writer) writeFile(full string, hdr *tar.Header, st *unix.Stat_t) error {
	first, linked := w.seen[st.Ino]
	if st.Nlink > 1 && linked {
		hdr.Typeflag, hdr.Linkname, hdr.Size = tar.TypeLink, first, 0
	}
	if st.Mode&unix.S_IFMT == unix.S_IFCHR && st.Rdev == 0 {
		parent, base := path.Split(hdr.Name)
		hdr.Name = parent + whiteoutPrefix + base
		hdr.Typeflag, hdr.Mode, hdr.Size = tar.TypeReg, 0, 0
	}
	if err := w.begin(hdr); err != nil {
		return err
	}
	if hdr.Typeflag == tar.TypeReg && hdr.Size > 0 {
		if err := w.content(full, hdr.Size); err != nil {
			return err
		}
	}
	if err := w.out.end(hdr); err != nil {
		return err
	}
	if st.Nlink > 1 && !linked {
		w.seen[st.Ino] = hdr.Name
	}
	return nil
}

func (w *writer) content(full string, size int64) error {
	f, err := os.OpenFile(full, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NOATIME, 0)
	if err != nil {
		f, err = os.OpenFile(full, os.O_RDONLY|unix.O_NOFOLLOW, 0)
	}
	if err != nil {
		return err
	}
	defer f.Close()
	for size > 0 {
		n, err := f.Read(w.copy[:min(size, int64(len(w.copy)))])
		if err == io.EOF {
			return fmt.Errorf("%s: file became shorter", full)
		}
		if err != nil {
			return err
		}
		if _, err := w.tar.Write(w.copy[:n]); err != nil {
			return err
		}
		size -= int64(n)
		if err := w.ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) writeDirectory(full string, hdr *tar.Header, opaque bool) error {
	name := strings.TrimSuffix(hdr.Name, "/")
	if err := w.empty(hdr); err != nil {
		return err
	}
	if opaque && w.hides(name) {
		err := w.empty(&tar.Header{
			Typeflag: tar.TypeReg, Name: path.Join(name, opaqueMarker), Mode: hdr.Mode & 0o777, Uid: hdr.Uid, Gid: hdr.Gid,
		})
		if err != nil {
			return err
		}
	}
	dir, err := os.OpenFile(full, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	defer dir.Close()
	return w.directory(dir, name)
}

// hides says whether an opaque directory has something below it. Overlay marks every new directory as opaque, also where nothing
// was; such a mark must not go into the tar.
func (w *writer) hides(name string) bool {
	for _, lower := range w.lower {
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

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
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// The names by which a layer's tar deletes, as AUFS and the OCI image specification (layer.md) have them.
const (
	whiteoutPrefix = ".wh."
	opaqueMarker   = ".wh..wh..opq"
)

// Source is the directory of a layer, an overlay's upper or a place where files were written.
type Source struct {
	Dir   *os.File          // may be renamed meanwhile
	Lower []string          // the diff directories below it, top first: a directory that is opaque, and that one of them has, hides what they have in it
	Known map[string][]byte // what regular files hold, by their path: they are not read, and have no extended attributes
}

// Digest computes the digest (sha256:…) and the length in bytes of a layer's tar. It records in split what tar-split needs to make
// the tar again; nil: nothing.
func (s Source) Digest(ctx context.Context, split io.Writer) (digest string, size int64, err error) {
	h := sha256.New()
	c := &counter{w: h}
	if err := s.write(ctx, c, split); err != nil {
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

// Write writes the tar of the directory dir; lower are the diff directories below it, as Source has them. Owners are those that
// the caller sees; sockets are left out, as no tar can hold one.
func Write(ctx context.Context, w io.Writer, dir string, lower []string) error {
	root, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	buf := bufio.NewWriterSize(w, 256<<10)
	if err := (Source{Dir: root, Lower: lower}).write(ctx, buf, nil); err != nil {
		return err
	}
	return buf.Flush()
}

func (s Source) write(ctx context.Context, w, split io.Writer) error {
	lw := &writer{Source: s, ctx: ctx, out: splitter{w: w, split: split}, seen: map[uint64]string{}, copy: make([]byte, 256<<10)}
	root, err := openAt(int(s.Dir.Fd()), ".", unix.O_DIRECTORY) // with an offset of its own
	if err != nil {
		return &fs.PathError{Op: "open", Path: s.Dir.Name(), Err: err}
	}
	defer unix.Close(root)
	if err := lw.directory(root, ""); err != nil {
		return err
	}
	if _, err := lw.out.Write(make([]byte, 2*blockSize)); err != nil { // the archive's end
		return err
	}
	return lw.out.close()
}

type writer struct {
	Source
	ctx   context.Context
	out   splitter
	seen  map[uint64]string // the first name of each file with several
	copy  []byte
	block [blockSize]byte
}

// begin writes an entry's header; end must follow its content.
func (w *writer) begin(hdr *tar.Header) error {
	if err := w.header(hdr); err != nil {
		return err
	}
	return w.out.begin()
}

func (w *writer) end(hdr *tar.Header) error {
	if err := w.out.end(hdr.Name, hdr.Size); err != nil {
		return err
	}
	if pad := -hdr.Size & (blockSize - 1); pad > 0 {
		clear(w.block[:pad])
		_, err := w.out.Write(w.block[:pad])
		return err
	}
	return nil
}

// empty writes an entry without content.
func (w *writer) empty(hdr *tar.Header) error {
	if err := w.begin(hdr); err != nil {
		return err
	}
	return w.end(hdr)
}

// directory writes what is in an open directory, which is called name in the tar ("" for the root, which has no entry).
func (w *writer) directory(dir int, name string) error {
	names, err := w.names(dir)
	if err != nil {
		return w.fail("readdir", name, err)
	}
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

// names lists an open directory in the tar's order.
func (w *writer) names(dir int) ([]string, error) {
	var names []string
	for {
		n, err := unix.Getdents(dir, w.copy[:64<<10])
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if n == 0 {
			slices.Sort(names)
			return names, nil
		}
		_, _, names = unix.ParseDirent(w.copy[:n], -1, names)
	}
}

// fail says what failed for which file.
func (w *writer) fail(op, name string, err error) error {
	return &fs.PathError{Op: op, Path: path.Join(w.Dir.Name(), name), Err: err}
}

func (w *writer) entry(dir int, base, name string) error {
	var st unix.Stat_t
	if err := unix.Fstatat(dir, base, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return w.fail("stat", name, err)
	}
	hdr, err := describe(dir, base, name, &st)
	if err != nil {
		return w.fail("readlink", name, err)
	}
	if hdr == nil {
		return nil
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		return w.writeDirectory(dir, base, hdr)
	case unix.S_IFREG:
		return w.writeRegular(dir, base, hdr, &st)
	}
	if _, err := readXattrs(byName(dir, base), hdr); err != nil {
		return w.fail("read attributes of", name, err)
	}
	return w.writeFile(-1, hdr, &st)
}

// describe makes the header of a file; it is nil for a socket.
func describe(dir int, base, name string, st *unix.Stat_t) (*tar.Header, error) {
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

func readlink(dir int, base string, size int64) (string, error) {
	buf := make([]byte, max(size, 255)+1)
	n, err := unix.Readlinkat(dir, base, buf)
	if err != nil {
		return "", err
	}
	return string(buf[:n]), nil
}

// openAt opens a file to be read, and leaves its time of access alone where it may.
func openAt(dir int, base string, flags int) (fd int, err error) {
	const how = unix.O_RDONLY | unix.O_NOFOLLOW | unix.O_CLOEXEC
	for _, more := range []int{unix.O_NOATIME, 0} {
		for {
			fd, err = unix.Openat(dir, base, how|flags|more, 0)
			if !errors.Is(err, unix.EINTR) {
				break
			}
		}
		if !errors.Is(err, unix.EPERM) {
			break
		}
	}
	return fd, err
}

// writeRegular writes a regular file, from memory when it is known.
func (w *writer) writeRegular(dir int, base string, hdr *tar.Header, st *unix.Stat_t) error {
	if data, ok := w.Known[hdr.Name]; ok && int64(len(data)) == st.Size {
		return w.writeFile(-1, hdr, st)
	}
	fd, err := openAt(dir, base, unix.O_NONBLOCK)
	if err != nil {
		return w.fail("open", hdr.Name, err)
	}
	defer unix.Close(fd)
	if _, err := readXattrs(byFD(fd), hdr); err != nil {
		return w.fail("read attributes of", hdr.Name, err)
	}
	return w.writeFile(fd, hdr, st)
}

// writeFile writes a file that is not a directory; fd is a regular file's, or -1 for one that is known. A character device 0:0 is
// overlay's whiteout. It is often hard-linked, and its entry then keeps the name it is linked to, as containers/storage writes it.
func (w *writer) writeFile(fd int, hdr *tar.Header, st *unix.Stat_t) error {
	first, linked := w.seen[st.Ino]
	name := hdr.Name
	if st.Nlink > 1 && linked {
		hdr.Typeflag, hdr.Linkname, hdr.Size = tar.TypeLink, first, 0
	}
	if st.Mode&unix.S_IFMT == unix.S_IFCHR && st.Rdev == 0 {
		parent, base := path.Split(name)
		hdr.Name = parent + whiteoutPrefix + base
		hdr.Typeflag, hdr.Mode, hdr.Size = tar.TypeReg, 0, 0
	}
	if err := w.begin(hdr); err != nil {
		return err
	}
	if hdr.Typeflag == tar.TypeReg && hdr.Size > 0 {
		if err := w.content(fd, name, hdr.Size); err != nil {
			return err
		}
	}
	if err := w.end(hdr); err != nil {
		return err
	}
	if st.Nlink > 1 && !linked {
		w.seen[st.Ino] = hdr.Name
	}
	return nil
}

func (w *writer) content(fd int, name string, size int64) error {
	if fd < 0 {
		return w.out.content(w.Known[name])
	}
	for size > 0 {
		n, err := unix.Read(fd, w.copy[:min(size, int64(len(w.copy)))])
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return w.fail("read", name, err)
		case n == 0:
			return w.fail("read", name, errors.New("file became shorter"))
		}
		if err := w.out.content(w.copy[:n]); err != nil {
			return err
		}
		size -= int64(n)
		if err := w.ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) writeDirectory(parent int, base string, hdr *tar.Header) error {
	name := strings.TrimSuffix(hdr.Name, "/")
	dir, err := openAt(parent, base, unix.O_DIRECTORY)
	if err != nil {
		return w.fail("open", name, err)
	}
	defer unix.Close(dir)
	opaque, err := readXattrs(byFD(dir), hdr)
	if err != nil {
		return w.fail("read attributes of", name, err)
	}
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
	return w.directory(dir, name)
}

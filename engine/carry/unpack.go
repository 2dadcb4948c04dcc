package carry

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"codeberg.org/hoy/hoy/oci/inroot"
	"codeberg.org/hoy/hoy/oci/userns"
)

// Owner is who owns a file.
type Owner struct{ UID, GID int }

// UnpackOptions say how Unpack writes.
type UnpackOptions struct {
	Owner     *Owner      // every file's; nil: the archive's
	IDs       *userns.Map // from the archive's owners to the files'; nil: the same
	KeepOwner bool        // no file's owner is changed: all belong to the caller, and none is setuid or setgid to them
}

// Unpack unpacks a tar into the directory dir of root, as a process would whose root that is: no name, no link and no earlier entry of the archive
// leads out of it, nor does anything that is changed in it meanwhile. dir must exist. A file takes another's place, a directory is
// merged with one that is there; neither takes the other's (docker cp).
func Unpack(ctx context.Context, r io.Reader, root inroot.Root, dir string, o UnpackOptions) error {
	return asRoot(o.IDs, func() error { return unpack(ctx, r, root, dir, o) })
}

func unpack(ctx context.Context, r io.Reader, root inroot.Root, dir string, o UnpackOptions) error {
	u := &unpacker{root: root, dir: dir, options: o, parent: -1}
	defer u.forget()
	t := tar.NewReader(r)
	for {
		h, err := t.Next()
		if err == io.EOF {
			return u.times()
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(path.Join("/", h.Name), "/")
		if h.Typeflag == tar.TypeXGlobalHeader || name == "" {
			continue
		}
		if err := u.entry(name, h, t); err != nil {
			return err
		}
	}
}

type unpacker struct {
	root    inroot.Root
	dir     string
	options UnpackOptions

	last   string // the directory of the last entry …
	parent int    // … opened; -1: none
	dirs   []dirTime
}

// dirTime is a directory whose time is set when everything is in it.
type dirTime struct {
	name  string
	mtime unix.Timespec
}

func (u *unpacker) forget() {
	if u.parent >= 0 {
		unix.Close(u.parent)
	}
	u.parent = -1
}

// open opens the directory of an entry, and makes what is missing of it.
func (u *unpacker) open(dir string) error {
	if u.parent >= 0 && u.last == dir {
		return nil
	}
	u.forget()
	fd, err := u.root.MkdirAll(u.dir+"/"+dir, 0o777)
	if err != nil {
		return pathError("open", path.Join("/", u.dir, dir), err)
	}
	u.last, u.parent = dir, fd
	return nil
}

// entry makes one entry of the archive.
func (u *unpacker) entry(name string, h *tar.Header, r io.Reader) error {
	if err := u.open(path.Dir(name)); err != nil {
		return err
	}
	base := path.Base(name)
	err := u.clear(base, h)
	if err == nil {
		err = u.write(base, h, r)
	}
	var clash clashError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &clash):
		return clash.in(path.Join(u.dir, name), u.dir)
	case err == errSkip:
		return nil
	}
	return fmt.Errorf("%s: %w", path.Join("/", u.dir, name), err)
}

// errSkip is an entry that cannot be made here, and that nobody misses: a device in a user namespace, as in Docker.
var errSkip = errors.New("skipped")

// clashError is a directory where a file is to be, or the other way round.
type clashError struct{ there, new string }

func (e clashError) Error() string { return "cannot overwrite " + e.there + " with " + e.new }

// in is the error in Docker's words.
func (e clashError) in(path, dest string) error {
	return fmt.Errorf("cannot overwrite %s %q with %s %q", e.there, path, e.new, dest)
}

// clear removes what is in an entry's place, except a directory for a directory.
func (u *unpacker) clear(base string, h *tar.Header) error {
	var st unix.Stat_t
	err := unix.Fstatat(u.parent, base, &st, unix.AT_SYMLINK_NOFOLLOW)
	if err == unix.ENOENT {
		return nil
	}
	if err != nil {
		return err
	}
	dir := h.Typeflag == tar.TypeDir
	switch {
	case isDir(&st) && dir:
		return nil
	case isDir(&st):
		return clashError{"directory", "non-directory"}
	case dir:
		return clashError{"non-directory", "directory"}
	}
	err = unix.Unlinkat(u.parent, base, 0)
	if err == unix.ENOENT || err == unix.EBUSY && h.Typeflag == tar.TypeReg && kind(&st) == unix.S_IFREG {
		return nil // gone, or a file that is mounted there: its content is replaced
	}
	return err
}

// write makes the file, and gives it what the archive knows of it.
func (u *unpacker) write(base string, h *tar.Header, r io.Reader) error {
	switch h.Typeflag {
	case tar.TypeDir:
		if err := unix.Mkdirat(u.parent, base, 0o700); err != nil && err != unix.EEXIST {
			return err
		}
		u.dirs = append(u.dirs, dirTime{path.Join(u.last, base), mtime(h)})
	case tar.TypeReg, tar.TypeGNUSparse, tar.TypeCont:
		return u.file(base, h, r)
	case tar.TypeSymlink:
		if err := unix.Symlinkat(h.Linkname, u.parent, base); err != nil {
			return err
		}
	case tar.TypeLink:
		return u.link(base, h.Linkname)
	case tar.TypeChar, tar.TypeBlock, tar.TypeFifo:
		if err := u.node(base, h); err != nil {
			return err
		}
	default:
		return fmt.Errorf("unknown type %q of an archive's entry", h.Typeflag)
	}
	fd, st, err := openNoFollow(u.parent, base)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if kind(&st) != tarKinds[h.Typeflag] {
		return errors.New("changed while it was being written")
	}
	return u.attributes(fd, h)
}

// tarKinds are the types of what an entry becomes.
var tarKinds = map[byte]uint32{
	tar.TypeDir: unix.S_IFDIR, tar.TypeSymlink: unix.S_IFLNK, tar.TypeChar: unix.S_IFCHR, tar.TypeBlock: unix.S_IFBLK, tar.TypeFifo: unix.S_IFIFO,
}

func (u *unpacker) file(base string, h *tar.Header, r io.Reader) error {
	fd, err := unix.Openat(u.parent, base, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err == unix.EEXIST { // a file that is mounted there
		fd, err = u.truncate(base)
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if _, err := io.CopyBuffer(fdWriter(fd), struct{ io.Reader }{r}, make([]byte, 128<<10)); err != nil {
		return err
	}
	return u.attributes(fd, h)
}

// truncate opens a regular file that is there to be written anew. Nothing else is opened: a FIFO or a device might answer.
func (u *unpacker) truncate(base string) (int, error) {
	look, st, err := openNoFollow(u.parent, base)
	if err != nil {
		return -1, err
	}
	defer unix.Close(look)
	if kind(&st) != unix.S_IFREG {
		return -1, unix.EEXIST
	}
	return reopen(look, unix.O_WRONLY|unix.O_TRUNC)
}

// fdWriter is a descriptor as an io.Writer.
type fdWriter int

func (fd fdWriter) Write(p []byte) (int, error) {
	for done := 0; done < len(p); {
		n, err := unix.Write(int(fd), p[done:])
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return done, err
		}
		done += n
	}
	return len(p), nil
}

// link makes a hard link to an entry of the same archive.
func (u *unpacker) link(base, target string) error {
	p := path.Join("/", target)
	from, err := u.root.Open(u.dir+"/"+path.Dir(p), unix.O_PATH|unix.O_DIRECTORY)
	if err == nil {
		defer unix.Close(from)
		err = unix.Linkat(from, path.Base(p), u.parent, base, 0)
	}
	if err != nil {
		return fmt.Errorf("link to %s: %w", target, err)
	}
	return nil
}

// node makes a device or a FIFO. A device 0:0 is overlay's whiteout, which only overlay may make.
func (u *unpacker) node(base string, h *tar.Header) error {
	dev := unix.Mkdev(uint32(h.Devmajor), uint32(h.Devminor))
	if h.Typeflag == tar.TypeChar && dev == 0 {
		return errors.New("a character device 0:0 is a whiteout of overlay's")
	}
	err := unix.Mknodat(u.parent, base, tarKinds[h.Typeflag]|0o600, int(dev))
	if err == unix.EPERM && h.Typeflag != tar.TypeFifo {
		return errSkip
	}
	return err
}

package carry

import (
	"context"
	"strings"

	"golang.org/x/sys/unix"

	"codeberg.org/hoy/hoy/oci/userns"
)

// Leave says of a file, by its path below the directory, that it is not to be copied. With a directory all below it is left out.
type Leave func(path string, st *unix.Stat_t) bool

// CloneOptions say how Clone copies.
type CloneOptions struct {
	Leave Leave       // nil: nothing is left out
	IDs   *userns.Map // from the owners of the files to those of the copies; nil: the same
	Stubs *Stubs      // nil: files are copied
}

// Stubs make of each regular file one without content, which overlay finds under the same name in a data-only layer (its metacopy): what a copy with
// other owners costs then is what the owners take.
type Stubs struct {
	Xattrs string // overlay's prefix: "trusted.overlay." or "user.overlay."
}

// Clone copies what is in the directory from, one of overlay's, into the empty directory to, whiteouts and opaque marks included, and
// gives the number of files copied. Content is shared where the file system can. from may be changed meanwhile. Sockets are left out.
func Clone(ctx context.Context, from, to int, o CloneOptions) (int, error) {
	if o.Leave == nil {
		o.Leave = func(string, *unix.Stat_t) bool { return false }
	}
	c := &cloner{ctx: ctx, o: o, links: map[inode]string{}, top: to}
	err := c.directory(from, to, "")
	if err != nil {
		return c.n, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(from, &st); err != nil {
		return c.n, pathError("stat", "/", err)
	}
	return c.n, c.attributes(from, to, "/", &st)
}

type cloner struct {
	ctx   context.Context
	o     CloneOptions
	links map[inode]string // the copy of each file with several names
	top   int
	n     int
}

func (c *cloner) directory(from, to int, name string) error {
	names, err := list(from)
	if err != nil {
		return pathError("readdir", "/"+name, err)
	}
	for _, base := range names {
		if err := c.ctx.Err(); err != nil {
			return err
		}
		if err := c.entry(from, to, strings.TrimPrefix(name+"/"+base, "/")); err != nil {
			return err
		}
	}
	return nil
}

// entry copies the file that is called name from the top on.
func (c *cloner) entry(from, to int, name string) error {
	base := name[strings.LastIndexByte(name, '/')+1:]
	fd, st, err := openNoFollow(from, base)
	if err == unix.ENOENT {
		return nil
	}
	if err != nil {
		return pathError("open", "/"+name, err)
	}
	defer unix.Close(fd)
	if kind(&st) == unix.S_IFSOCK || c.o.Leave(name, &st) {
		return nil
	}
	c.n++
	if first, ok := c.links[inode{st.Dev, st.Ino}]; ok && st.Nlink > 1 && !isDir(&st) {
		return pathError("link", "/"+name, unix.Linkat(c.top, first, to, base, 0))
	}
	if err := c.make(fd, to, name, &st); err != nil {
		return pathError("copy", "/"+name, err)
	}
	copied, _, err := openNoFollow(to, base)
	if err != nil {
		return pathError("open", "/"+name, err)
	}
	defer unix.Close(copied)
	if isDir(&st) {
		if err := c.directory(fd, copied, name); err != nil {
			return err
		}
	}
	c.links[inode{st.Dev, st.Ino}] = name
	return c.attributes(fd, copied, name, &st)
}

// make makes the copy, as yet with nothing but its content.
func (c *cloner) make(fd, to int, name string, st *unix.Stat_t) error {
	base := name[strings.LastIndexByte(name, '/')+1:]
	switch kind(st) {
	case unix.S_IFDIR:
		return unix.Mkdirat(to, base, 0o700)
	case unix.S_IFLNK:
		target, err := readlink(fd, "")
		if err != nil {
			return err
		}
		return unix.Symlinkat(target, to, base)
	case unix.S_IFREG:
		if c.o.Stubs != nil && st.Size > 0 {
			return c.o.Stubs.make(to, name, st.Size)
		}
		return c.file(fd, to, base)
	}
	return unix.Mknodat(to, base, kind(st)|0o600, int(st.Rdev))
}

func (c *cloner) file(look, to int, base string) error {
	in, err := reopen(look, unix.O_RDONLY)
	if err != nil {
		return err
	}
	defer unix.Close(in)
	out, err := unix.Openat(to, base, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	defer unix.Close(out)
	if unix.IoctlFileClone(out, in) == nil {
		return nil
	}
	for {
		n, err := unix.CopyFileRange(in, nil, out, nil, 1<<30, 0)
		if err == unix.EXDEV || err == unix.EINVAL || err == unix.EOPNOTSUPP || err == unix.ENOSYS {
			n, err = unix.Sendfile(out, in, nil, 1<<30)
		}
		if err == unix.EINTR {
			continue
		}
		if err != nil || n == 0 {
			return err
		}
		if err := c.ctx.Err(); err != nil {
			return err
		}
	}
}

// make makes the stub of the file name in the directory to.
func (s *Stubs) make(to int, name string, size int64) error {
	base := name[strings.LastIndexByte(name, '/')+1:]
	fd, err := unix.Openat(to, base, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.Ftruncate(fd, size); err != nil {
		return err
	}
	if err := unix.Fsetxattr(fd, s.Xattrs+"metacopy", nil, 0); err != nil {
		return err
	}
	return unix.Fsetxattr(fd, s.Xattrs+"redirect", []byte("/"+name), 0)
}

// attributes gives the copy the owner, mode, attributes and times of a file; both are open with O_PATH.
func (c *cloner) attributes(from, to int, name string, st *unix.Stat_t) error {
	uid, gid := shift(c.o.IDs, int(st.Uid), int(st.Gid))
	if err := unix.Fchownat(to, "", uid, gid, unix.AT_EMPTY_PATH); err != nil {
		return pathError("chown", name, err)
	}
	if kind(st) != unix.S_IFLNK {
		if err := unix.Chmod(procPath(to), st.Mode&0o7777); err != nil {
			return pathError("chmod", name, err)
		}
		if err := copyXattrs(from, to); err != nil {
			return pathError("setxattr", name, err)
		}
	}
	times := []unix.Timespec{st.Atim, st.Mtim}
	return pathError("utimensat", name, unix.UtimesNanoAt(to, "", times, unix.AT_EMPTY_PATH|unix.AT_SYMLINK_NOFOLLOW))
}

// copyXattrs copies the extended attributes. Of overlay's own only the mark of an opaque directory means something in another place.
func copyXattrs(from, to int) error {
	buf := make([]byte, 64<<10)
	n, err := unix.Listxattr(procPath(from), buf)
	if err != nil || n == 0 {
		return ignoreMissing(err)
	}
	value := make([]byte, 64<<10)
	for name := range strings.SplitSeq(strings.TrimRight(string(buf[:n]), "\x00"), "\x00") {
		own := strings.HasPrefix(name, "trusted.overlay.") || strings.HasPrefix(name, "user.overlay.")
		if name == "security.selinux" || own && !strings.HasSuffix(name, ".opaque") {
			continue
		}
		n, err := unix.Getxattr(procPath(from), name, value)
		if err == nil {
			err = unix.Setxattr(procPath(to), name, value[:n], 0)
		}
		if err := ignoreMissing(err); err != nil {
			return err
		}
	}
	return nil
}

// ignoreMissing passes over attributes that have gone, or that the file system or the user namespace does not have.
func ignoreMissing(err error) error {
	switch err {
	case unix.ENOTSUP, unix.EPERM, unix.ENODATA:
		return nil
	}
	return err
}

package carry

import (
	"context"
	"strings"

	"golang.org/x/sys/unix"
)

// Leave says of a file, by its path below the directory, that it is not to be copied. With a directory all below it is left out.
type Leave func(path string, st *unix.Stat_t) bool

// Clone copies what is in the directory from, an overlay's upper, into the empty directory to, whiteouts and opaque marks included, and
// gives the number of files copied. Content is shared where the file system can. from may be changed meanwhile. Sockets are left out.
func Clone(ctx context.Context, from, to int, leave Leave) (int, error) {
	c := &cloner{ctx: ctx, leave: leave, links: map[inode]string{}, top: to}
	err := c.directory(from, to, "")
	if err != nil {
		return c.n, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(from, &st); err != nil {
		return c.n, pathError("stat", "/", err)
	}
	return c.n, attributesOf(from, to, "/", &st)
}

type cloner struct {
	ctx   context.Context
	leave Leave
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
	if kind(&st) == unix.S_IFSOCK || c.leave(name, &st) {
		return nil
	}
	c.n++
	if first, ok := c.links[inode{st.Dev, st.Ino}]; ok && st.Nlink > 1 && !isDir(&st) {
		return pathError("link", "/"+name, unix.Linkat(c.top, first, to, base, 0))
	}
	if err := c.make(fd, to, base, &st); err != nil {
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
	return attributesOf(fd, copied, name, &st)
}

// make makes the copy, as yet with nothing but its content.
func (c *cloner) make(fd, to int, base string, st *unix.Stat_t) error {
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

// attributesOf gives the copy the owner, mode, attributes and times of a file; both are open with O_PATH.
func attributesOf(from, to int, name string, st *unix.Stat_t) error {
	if err := unix.Fchownat(to, "", int(st.Uid), int(st.Gid), unix.AT_EMPTY_PATH); err != nil {
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

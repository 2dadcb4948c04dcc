package child

import (
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// copier copies a directory of the image into a volume, by descriptors only: no path is resolved on either side.
type copier struct {
	proc  int           // a procfs, for links to open files
	links map[inode]int // copies of files with several names, open
	again bool          // an earlier copier was cut short
}

type inode struct{ dev, ino uint64 }

// partial is the name of a file while it is being copied. It becomes its own name when it is complete.
const partial = ".hoy-copyup"

func (c *copier) close() {
	for _, fd := range c.links {
		unix.Close(fd)
	}
}

// tree copies what is in the directory src into dst, and then src's own ownership, mode and times.
func (c *copier) tree(src, dst int) error {
	names, err := list(src)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := c.entry(src, dst, name); err != nil {
			return at(name, err)
		}
	}
	if c.again {
		_ = unix.Unlinkat(dst, partial, 0)
	}
	st, err := fstat(src)
	if err != nil {
		return err
	}
	return copyAttributes(src, dst, st)
}

func (c *copier) entry(src, dst int, name string) error {
	var st unix.Stat_t
	if err := unix.Fstatat(src, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		return c.directory(src, dst, name)
	case unix.S_IFREG:
		return c.file(src, dst, name, st)
	case unix.S_IFLNK:
		return link(src, dst, name, st)
	}
	return node(dst, name, st)
}

// open opens an entry of a source directory, or gives -1 where something else is mounted on it: that is not the image's.
func open(dir int, name string, flags int) (int, error) {
	how := unix.OpenHow{
		Flags:   uint64(flags | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_CLOEXEC),
		Resolve: unix.RESOLVE_NO_XDEV | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_BENEATH,
	}
	fd, err := unix.Openat2(dir, name, &how)
	if err == unix.EXDEV {
		return -1, nil
	}
	return fd, err
}

func (c *copier) directory(src, dst int, name string) error {
	from, err := open(src, name, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil || from < 0 {
		return err
	}
	defer unix.Close(from)
	if err := unix.Mkdirat(dst, name, 0o700); err != nil && err != unix.EEXIST {
		return err
	}
	to, err := unix.Openat(dst, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(to)
	return c.tree(from, to)
}

// file copies a regular file under a passing name, so that one that is there under its own name is whole. A further name of one file becomes a
// link to the copy.
func (c *copier) file(src, dst int, name string, st unix.Stat_t) error {
	if fd, ok := c.links[inode{st.Dev, st.Ino}]; ok {
		err := unix.Linkat(c.proc, "self/fd/"+strconv.Itoa(fd), dst, name, unix.AT_SYMLINK_FOLLOW)
		if err == nil || err == unix.EEXIST {
			return nil
		}
	}
	from, err := open(src, name, unix.O_RDONLY)
	if err != nil || from < 0 {
		return err
	}
	defer unix.Close(from)
	if err := unix.Unlinkat(dst, partial, 0); err != nil && err != unix.ENOENT {
		return err
	}
	to, err := unix.Openat(dst, partial, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	if err := copyFile(from, to, st); err != nil {
		unix.Close(to)
		return err
	}
	if st.Nlink > 1 {
		c.links[inode{st.Dev, st.Ino}] = to
	} else if err := unix.Close(to); err != nil {
		return err
	}
	return unix.Renameat(dst, partial, dst, name)
}

func copyFile(from, to int, st unix.Stat_t) error {
	for left := st.Size; left > 0; {
		n, err := unix.Sendfile(to, from, nil, int(min(left, 1<<30)))
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		if n == 0 {
			break
		}
		left -= int64(n)
	}
	return copyAttributes(from, to, st)
}

// copyAttributes gives an open file another's owner, mode, extended attributes and times. The owner comes first: changing it takes
// away setuid bits and file capabilities.
func copyAttributes(from, to int, st unix.Stat_t) error {
	if err := unix.Fchown(to, int(st.Uid), int(st.Gid)); err != nil {
		return err
	}
	if err := unix.Fchmod(to, st.Mode&0o7777); err != nil {
		return err
	}
	if err := copyXattrs(from, to); err != nil {
		return err
	}
	return setTimes(to, st)
}

func setTimes(fd int, st unix.Stat_t) error {
	times := []unix.Timespec{st.Atim, st.Mtim}
	return unix.UtimesNanoAt(fd, "", times, unix.AT_EMPTY_PATH)
}

// copyXattrs copies the attributes that the volume's file system takes. What belongs to the host (trusted.*, labels) is not copied.
func copyXattrs(from, to int) error {
	buf := make([]byte, 64<<10)
	n, err := unix.Flistxattr(from, buf)
	if err != nil || n == 0 {
		return ignoreXattr(err)
	}
	value := make([]byte, 64<<10)
	for _, name := range strings.Split(strings.TrimRight(string(buf[:n]), "\x00"), "\x00") {
		if strings.HasPrefix(name, "trusted.") || name == "security.selinux" {
			continue
		}
		n, err := unix.Fgetxattr(from, name, value)
		if err == nil {
			err = unix.Fsetxattr(to, name, value[:n], 0)
		}
		if err := ignoreXattr(err); err != nil {
			return err
		}
	}
	return nil
}

func ignoreXattr(err error) error {
	switch err {
	case unix.ENOTSUP, unix.EPERM, unix.ENODATA:
		return nil
	}
	return err
}

func link(src, dst int, name string, st unix.Stat_t) error {
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(src, name, buf)
	if err != nil {
		return err
	}
	if err := unix.Symlinkat(string(buf[:n]), dst, name); err != nil && err != unix.EEXIST {
		return err
	}
	return unix.Fchownat(dst, name, int(st.Uid), int(st.Gid), unix.AT_SYMLINK_NOFOLLOW)
}

// node copies a device, FIFO or socket. A user namespace may not make devices; they are left out, as they could not be opened there.
func node(dst int, name string, st unix.Stat_t) error {
	err := unix.Mknodat(dst, name, st.Mode, int(st.Rdev))
	switch {
	case err == unix.EPERM, err == unix.EEXIST:
		return nil
	case err != nil:
		return err
	}
	return unix.Fchownat(dst, name, int(st.Uid), int(st.Gid), unix.AT_SYMLINK_NOFOLLOW)
}

// list gives the names in an open directory.
func list(dir int) ([]string, error) {
	if _, err := unix.Seek(dir, 0, unix.SEEK_SET); err != nil {
		return nil, err
	}
	var names []string
	buf := make([]byte, 32<<10)
	for {
		n, err := unix.ReadDirent(dir, buf)
		if err == unix.EINTR {
			continue
		}
		if err != nil || n == 0 {
			return names, err
		}
		_, _, names = unix.ParseDirent(buf[:n], -1, names)
	}
}

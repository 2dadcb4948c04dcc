package copier

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"

	"codeberg.org/hoy/hoy/build/rootfs"
	"golang.org/x/sys/unix"
)

// copying is the copy of one selection.
type copying struct {
	target  Target
	source  *Selection
	name    string              // of a source that is a file, in dirs[""]
	dirs    map[string]*destDir // by Rel
	touched []touchedDir
	umask   uint32
	changed atomic.Bool // a file was not what Hash had read
	noClone atomic.Bool // the file systems cannot share data
}

// file copies one file that is no directory from one open directory to another. Nothing has its name there.
func (c *copying) file(r *reader, to int, e *Entry) error {
	name, m := c.nameOf(e), c.meta(e)
	switch e.Stat.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		return c.regular(r, to, e, m)
	case unix.S_IFLNK:
		if err := unix.Symlinkat(e.Link, to, name); err != nil {
			return err
		}
	case unix.S_IFSOCK:
		return nil // the listener does not come along
	case unix.S_IFCHR, unix.S_IFBLK, unix.S_IFIFO:
		if e.Stat.Mode&unix.S_IFMT == unix.S_IFCHR && e.Stat.Rdev == 0 {
			return errors.New("a character device 0:0 would be a whiteout in a layer")
		}
		if c.target.NoDevices && e.Stat.Mode&unix.S_IFMT != unix.S_IFIFO {
			return nil
		}
		if err := unix.Mknodat(to, name, e.Stat.Mode&^0o777|0o600, int(e.Stat.Rdev)); err != nil {
			return fmt.Errorf("mknod: %w", err)
		}
	}
	return rootfs.SetMeta(to, name, m)
}

// regular copies a regular file. Without --chown a root's file needs no chown: whoever writes is root, here or in a user namespace.
// A mode that the umask leaves alone needs no chmod.
func (c *copying) regular(r *reader, to int, e *Entry, m rootfs.Meta) error {
	name, dir := c.nameOf(e), c.dirs[relDir(e.Rel)]
	chown := m.UID != 0 || m.GID != 0 || dir.setgid
	mode, chmod := m.Mode, false
	if chown || mode&^(0o777&^c.umask) != 0 || *dir.acl {
		mode, chmod = 0o600, true
	}
	out, err := unix.Openat(to, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, mode)
	if err != nil {
		return err
	}
	err = c.fill(r, out, e)
	if err == nil && chown {
		err = rootfs.Chown(out, name, m)
	}
	if err == nil && chmod {
		err = unix.Fchmod(out, m.Mode)
	}
	if err == nil {
		err = rootfs.SetXattrsFD(out, m.Xattrs)
	}
	if err == nil && m.Mtime != nil {
		err = rootfs.SetMtimeFD(out, name, m.Mtime)
	}
	return errors.Join(err, unix.Close(out))
}

// inMemory says whether the content of a regular file is at hand.
func (e *Entry) inMemory() bool { return e.inline || e.Data != nil }

// fill writes a file's content: from memory when Hash has it, through memory when it is small, else by the cheapest way that the file
// systems know.
func (c *copying) fill(r *reader, out int, e *Entry) error {
	if e.inMemory() {
		return writeAll(out, e.Data)
	}
	in, err := r.open(&e.Node)
	if err != nil {
		return err
	}
	defer unix.Close(in)
	data, same, err := r.small(in, e)
	if err != nil {
		return err
	}
	if same {
		return writeAll(out, data)
	}
	var st unix.Stat_t
	if err := unix.Fstat(in, &st); err != nil {
		return err
	}
	if err := c.transfer(in, out, &st); err != nil {
		return err
	}
	if same, err = unchanged(in, e); !same {
		c.changed.Store(true)
	}
	return err
}

func writeAll(fd int, data []byte) error {
	for len(data) > 0 {
		n, err := unix.Write(fd, data)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		data = data[n:]
	}
	return nil
}

// transfer copies what one open file holds to another, empty one: shared (FICLONE), in the kernel (copy_file_range), or through
// memory. Holes stay holes.
func (c *copying) transfer(in, out int, st *unix.Stat_t) error {
	if st.Size > 0 && !c.noClone.Load() {
		err := unix.IoctlFileClone(out, in)
		if err == nil {
			return nil
		}
		c.noClone.Store(true)
	}
	if st.Blocks*512 < st.Size {
		return sparse(in, out, st.Size)
	}
	return span(in, out, 0, st.Size)
}

// span copies [off, end) and stops early where the source does.
func span(in, out int, off, end int64) error {
	for off < end {
		at, to := off, off
		n, err := unix.CopyFileRange(in, &at, out, &to, int(min(end-off, 1<<30)), 0)
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.EXDEV || err == unix.EINVAL || err == unix.ENOSYS || err == unix.EOPNOTSUPP || err == unix.EPERM:
			return through(in, out, off, end)
		case err != nil:
			return err
		case n == 0:
			return nil
		}
		off += int64(n)
	}
	return nil
}

// through copies [off, end) through memory.
func through(in, out int, off, end int64) error {
	src, err := duplicate(in)
	if err != nil {
		return err
	}
	defer src.Close()
	if _, err := unix.Seek(out, off, io.SeekStart); err != nil {
		return err
	}
	_, err = io.CopyBuffer(fdWriter(out), io.NewSectionReader(src, off, end-off), make([]byte, 1<<20))
	return err
}

func duplicate(fd int) (*os.File, error) {
	n, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(n), "source"), nil
}

// fdWriter writes to a descriptor that it does not own.
type fdWriter int

func (w fdWriter) Write(p []byte) (int, error) {
	if err := writeAll(int(w), p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// sparse copies the parts of a file that have data.
func sparse(in, out int, size int64) error {
	if err := unix.Ftruncate(out, size); err != nil {
		return err
	}
	for off := int64(0); off < size; {
		start, err := unix.Seek(in, off, unix.SEEK_DATA)
		if err == unix.ENXIO {
			return nil
		}
		if err != nil {
			return span(in, out, off, size)
		}
		end, err := unix.Seek(in, start, unix.SEEK_HOLE)
		if err != nil {
			return err
		}
		if err := span(in, out, start, min(end, size)); err != nil {
			return err
		}
		off = end
	}
	return nil
}

// Inline is a selection of one file that has no source but its content: a here-document, mode 0644.
func Inline(name string, data []byte) Selection {
	e := Entry{Data: data, inline: true}
	e.Stat.Mode = unix.S_IFREG | 0o644
	e.Stat.Size = int64(len(data))
	e.Stat.Nlink = 1
	e.Path = name
	e.Digest.Sum = sha256.Sum256(data)
	return Selection{Name: name, Entries: []Entry{e}}
}

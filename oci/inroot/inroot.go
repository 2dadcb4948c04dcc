// Package inroot opens and makes paths inside a directory tree as a process with that tree as its root would, whatever symbolic links
// the tree holds and whoever changes it meanwhile.
//
// Nothing outside of the tree can be reached: every look-up is one openat2(2) with RESOLVE_IN_ROOT, and every change is made relative to
// a descriptor that such a look-up gave (CVE-2021-30465, CVE-2024-45310, CVE-2026-41579). Magic links such as /proc/PID/root are
// never followed.
package inroot

import (
	"errors"
	"path"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Root is an open directory that is a tree's root. Paths given to its methods are taken relative to it, with or without a leading slash.
type Root int

const resolve = unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS

// Open opens a path with the flags of open(2), and O_CLOEXEC. Symbolic links are followed inside the tree.
func (r Root) Open(p string, flags int) (int, error) { return r.open(p, flags, resolve) }

// OpenNoLinks is Open that refuses symbolic links, also in the middle of the path, with ELOOP.
func (r Root) OpenNoLinks(p string, flags int) (int, error) {
	return r.open(p, flags, resolve|unix.RESOLVE_NO_SYMLINKS)
}

func (r Root) open(p string, flags int, how uint64) (int, error) {
	if p = strings.TrimLeft(p, "/"); p == "" {
		p = "."
	}
	// The kernel gives EAGAIN when a rename or mount anywhere raced with a "..": the look-up may have been led out.
	for try := 0; ; try++ {
		fd, err := unix.Openat2(int(r), p, &unix.OpenHow{Flags: uint64(flags | unix.O_CLOEXEC), Resolve: how})
		if (err == unix.EAGAIN || err == unix.EINTR) && try < 128 {
			continue
		}
		return fd, err
	}
}

// maxLinks is how many dangling symbolic links MkdirAll follows, the kernel's own limit for links.
const maxLinks = 40

// MkdirAll opens the directory p with O_PATH and makes what is missing of it, with the mode. A symbolic link to nowhere
// is followed, and what it names is made.
func (r Root) MkdirAll(p string, mode uint32) (int, error) { return r.mkdirAll(p, mode, 0) }

func (r Root) mkdirAll(p string, mode uint32, links int) (int, error) {
	const flags = unix.O_PATH | unix.O_DIRECTORY
	fd, err := r.Open(p, flags)
	if err != unix.ENOENT {
		return fd, err
	}
	dir, name := path.Split(path.Clean("/" + p))
	if name == "" || links > maxLinks {
		return -1, unix.ELOOP
	}
	parent, err := r.mkdirAll(dir, mode, links)
	if err != nil {
		return -1, err
	}
	defer unix.Close(parent)
	err = unix.Mkdirat(parent, name, mode)
	if err == unix.EEXIST { // another made it just now, or it is a dangling link
		if to, linkErr := readlink(parent, name); linkErr == nil {
			return r.mkdirAll(join(dir, to), mode, links+1)
		}
		err = nil
	}
	if err != nil {
		return -1, err
	}
	return Root(parent).OpenNoLinks(name, flags)
}

// Create opens the regular file, device or other non-directory p with O_PATH. When it is missing it is made as an empty file with the
// mode, and its missing parent directories with 0755.
func (r Root) Create(p string, mode uint32) (int, error) { return r.create(p, mode, 0) }

func (r Root) create(p string, mode uint32, links int) (int, error) {
	fd, err := r.Open(p, unix.O_PATH)
	if err != unix.ENOENT {
		return fd, err
	}
	dir, name := path.Split(path.Clean("/" + p))
	if name == "" || links > maxLinks {
		return -1, unix.ELOOP
	}
	parent, err := r.MkdirAll(dir, 0o755)
	if err != nil {
		return -1, err
	}
	defer unix.Close(parent)
	made, err := unix.Openat(parent, name, unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY|unix.O_CLOEXEC|unix.O_NOFOLLOW, mode)
	if err == nil {
		unix.Close(made)
	} else if to, linkErr := readlink(parent, name); err == unix.EEXIST && linkErr == nil {
		return r.create(join(dir, to), mode, links+1)
	} else if err != unix.EEXIST {
		return -1, err
	}
	return Root(parent).OpenNoLinks(name, unix.O_PATH)
}

// join gives the path that a link to "to" in the directory dir means.
func join(dir, to string) string {
	if path.IsAbs(to) {
		return to
	}
	return path.Join(dir, to)
}

func readlink(dir int, name string) (string, error) {
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(dir, name, buf)
	if err != nil {
		return "", err
	}
	return string(buf[:n]), nil
}

// ErrNotRegular is a file that is something else than a plain file.
var ErrNotRegular = errors.New("not a regular file")

// ErrTooBig is a file longer than the caller takes.
var ErrTooBig = errors.New("file too big")

// ReadFile reads the regular file p, of at most limit bytes. A FIFO, device or directory is ErrNotRegular, without being opened: it is
// looked at by O_PATH first, so that nothing hangs and no driver is woken (CVE-2024-9676). proc is a directory of a real procfs,
// such as an open /proc.
func (r Root) ReadFile(proc int, p string, limit int64) ([]byte, error) {
	look, err := r.Open(p, unix.O_PATH)
	if err != nil {
		return nil, err
	}
	defer unix.Close(look)
	var st unix.Stat_t
	if err := unix.Fstat(look, &st); err != nil {
		return nil, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil, ErrNotRegular
	}
	if st.Size > limit {
		return nil, ErrTooBig
	}
	fd, err := Reopen(proc, look, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	return readAll(fd, st.Size, limit)
}

// readAll reads to the end, at most limit bytes: a file may grow, and one of procfs says that its size is 0.
func readAll(fd int, size, limit int64) ([]byte, error) {
	data := make([]byte, 0, size+1)
	for {
		if len(data) == cap(data) {
			data = slices.Grow(data, 4096)
		}
		n, err := unix.Read(fd, data[len(data):cap(data)])
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return nil, err
		case n == 0:
			return data, nil
		}
		if data = data[:len(data)+n]; int64(len(data)) > limit {
			return nil, ErrTooBig
		}
	}
}

// Reopen opens what an O_PATH descriptor names once more, with other flags. proc is a directory of a real procfs.
func Reopen(proc, fd, flags int) (int, error) {
	return unix.Openat(proc, "self/fd/"+strconv.Itoa(fd), flags|unix.O_CLOEXEC, 0)
}

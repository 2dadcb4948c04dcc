package monitor

import (
	"encoding/binary"
	"fmt"
	"io"
	"path"
	"strconv"

	"golang.org/x/sys/unix"
)

// maxDepth is how many directories RemoveTree holds open at once. A container can make a deeper tree than there are descriptors;
// what lies deeper is moved up to the top first.
const maxDepth = 64

// RemoveTree removes a directory with all that is below it. It follows no symbolic link, crosses into no directory by its
// name twice, and costs one system call for each file and three or four for each directory. That there is nothing is no error.
func RemoveTree(tree string) error {
	parent, err := unix.Open(path.Dir(tree), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err == unix.ENOENT {
		return nil
	}
	if err != nil {
		return fmt.Errorf("open %s: %w", path.Dir(tree), err)
	}
	defer unix.Close(parent)
	r := remover{top: -1}
	if err := r.directory(parent, path.Base(tree), 0); err != nil {
		return fmt.Errorf("remove %s: %w", tree, err)
	}
	return nil
}

type remover struct {
	top   int // the first directory
	moved int
}

// directory empties and removes the directory name below parent.
func (r *remover) directory(parent int, name string, depth int) error {
	if depth > maxDepth {
		return r.moveUp(parent, name)
	}
	fd, err := openDirectory(parent, name)
	switch err {
	case nil:
	case unix.ENOENT:
		return nil
	case unix.ENOTDIR, unix.ELOOP:
		return r.file(parent, name)
	default:
		return fmt.Errorf("%s: %w", name, err)
	}
	defer unix.Close(fd)
	if depth == 0 {
		r.top = fd
	}
	for {
		removed, err := r.entries(fd, depth)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		err = unix.Unlinkat(parent, name, unix.AT_REMOVEDIR)
		if err == nil || err == unix.ENOENT {
			return nil
		}
		if err != unix.ENOTEMPTY || removed == 0 {
			return fmt.Errorf("%s: %w", name, err)
		}
		// Something was moved up, the directory changed under the reading, or there was more to read.
		if _, err := unix.Seek(fd, 0, io.SeekStart); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
}

// moveUp moves a directory to the top, to be removed from there.
func (r *remover) moveUp(parent int, name string) error {
	for {
		r.moved++
		err := unix.Renameat(parent, name, r.top, ".deep-"+strconv.Itoa(r.moved))
		if err != unix.EEXIST && err != unix.ENOTEMPTY && err != unix.ENOTDIR && err != unix.EISDIR {
			return err
		}
	}
}

// openDirectory opens a directory that may have any mode: overlay leaves one of mode 0 in its work directory.
func openDirectory(parent int, name string) (int, error) {
	const flags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
	fd, err := unix.Openat(parent, name, flags, 0)
	if err != unix.EACCES {
		return fd, err
	}
	if err := unix.Fchmodat(parent, name, 0o700, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return -1, unix.EACCES
	}
	return unix.Openat(parent, name, flags, 0)
}

// entries removes what is in a directory and counts it. Of a small one it takes the first reading for all there is: should that be wrong,
// the directory cannot be removed, and is read again. A reading without an entry says nothing: a signal (Go's own SIGURG) may have cut it short.
func (r *remover) entries(fd, depth int) (int, error) {
	buf := make([]byte, 8<<10)
	removed := 0
	for {
		n, err := unix.Getdents(fd, buf)
		if err != nil || n == 0 {
			return removed, err
		}
		count, err := r.chunk(fd, buf[:n], depth)
		removed += count
		if err != nil || count > 0 && n < len(buf)/2 {
			return removed, err
		}
	}
}

// chunk removes the entries of one getdents64(2), and counts them.
func (r *remover) chunk(fd int, buf []byte, depth int) (int, error) {
	count := 0
	for len(buf) > 0 {
		size := binary.NativeEndian.Uint16(buf[16:])
		kind, name := buf[18], cstring(buf[19:size])
		buf = buf[size:]
		if name == "." || name == ".." {
			continue
		}
		count++
		remove := r.file
		if kind == unix.DT_DIR || kind == unix.DT_UNKNOWN {
			remove = func(fd int, name string) error { return r.directory(fd, name, depth+1) }
		}
		if err := remove(fd, name); err != nil {
			return count, err
		}
	}
	return count, nil
}

func (r *remover) file(parent int, name string) error {
	if err := unix.Unlinkat(parent, name, 0); err != nil && err != unix.ENOENT {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

func cstring(b []byte) string {
	for i, c := range b {
		if c == 0 {
			return string(b[:i])
		}
	}
	return string(b)
}

// Package carry moves files between a container's root and the host as tar streams, in-root and by descriptor on the container's side.
//
// A container may change its files while they are carried: a directory becomes a link, a file a FIFO. So a path of the container's is
// resolved by one openat2(2) with RESOLVE_IN_ROOT, below it only names are opened and never links, and what is unpacked is
// made relative to a descriptor (CVE-2018-15664, CVE-2019-10152, CVE-2021-41089). Nothing of a container is executed or loaded
// (CVE-2019-14271).
package carry

import (
	"io/fs"
	"strconv"

	"golang.org/x/sys/unix"
)

// capability is the extended attribute that Docker carries: a file's capabilities.
const capability = "security.capability"

// paxXattr begins the names of extended attributes in a tar, as GNU tar, star and archive/tar write them.
const paxXattr = "SCHILY.xattr."

// procPath names an open file for the calls that take no descriptor.
func procPath(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }

// reopen opens what an O_PATH descriptor names once more, with other flags.
func reopen(fd, flags int) (int, error) {
	return unix.Open(procPath(fd), flags|unix.O_CLOEXEC, 0)
}

// openNoFollow opens one name in a directory with O_PATH; a symbolic link is opened itself.
func openNoFollow(dir int, name string) (fd int, st unix.Stat_t, err error) {
	fd, err = unix.Openat(dir, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, st, err
	}
	if err = unix.Fstat(fd, &st); err != nil {
		unix.Close(fd)
		return -1, st, err
	}
	return fd, st, nil
}

func kind(st *unix.Stat_t) uint32 { return st.Mode & unix.S_IFMT }

func isDir(st *unix.Stat_t) bool { return kind(st) == unix.S_IFDIR }

// pathError names the operation and the path of a failed system call.
func pathError(op, path string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: op, Path: path, Err: err}
}

func readlink(dir int, name string) (string, error) {
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(dir, name, buf)
	if err != nil {
		return "", err
	}
	return string(buf[:n]), nil
}

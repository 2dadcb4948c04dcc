package rootless

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

const nsGetParent = 0xb702 // NS_GET_PARENT (ioctl_ns(2))

// UsernsOf opens the user namespace that this user's hoy has a process in, as a namespace right below this process's own: one that a container may
// have for itself below that is passed over. nil: there is none between, so this process need not join one.
func UsernsOf(pid int) (*os.File, error) {
	own, err := os.Open("/proc/self/ns/user")
	if err != nil {
		return nil, err
	}
	defer own.Close()
	ns, err := os.Open("/proc/" + strconv.Itoa(pid) + "/ns/user")
	if err != nil {
		return nil, err
	}
	if same(own, ns) {
		return nil, ns.Close()
	}
	for {
		fd, err := unix.IoctlRetInt(int(ns.Fd()), nsGetParent)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("find the user namespace of process %d: %w", pid, err), ns.Close())
		}
		parent := os.NewFile(uintptr(fd), "user namespace")
		if same(own, parent) {
			return ns, parent.Close()
		}
		ns.Close()
		ns = parent
	}
}

// same says whether two open files are the same namespace.
func same(a, b *os.File) bool {
	var x, y unix.Stat_t
	return unix.Fstat(int(a.Fd()), &x) == nil && unix.Fstat(int(b.Fd()), &y) == nil && x.Dev == y.Dev && x.Ino == y.Ino
}

// Package space makes network namespaces that no process needs to live in, and runs functions inside of them.
//
// A namespace is an open file: it lives as long as somebody holds it, a process is in it or a socket of it is open, so nothing is
// left when its users are killed. Light: the standard library and golang.org/x/sys only.
package space

import (
	"fmt"
	"os"
	"runtime"
	"strconv"

	"codeberg.org/hoy/hoy/oci/userns"
	"golang.org/x/sys/unix"
)

const threadNS = "/proc/thread-self/ns/net"

// New makes a network namespace whose loopback link is up. It is owned by the caller's user namespace. It needs CAP_SYS_ADMIN there.
func New() (*os.File, error) {
	var made *os.File
	err := onThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("unshare network namespace: %w", err)
		}
		if err := loopbackUp(); err != nil {
			return err
		}
		f, err := os.Open(threadNS)
		made = f
		return err
	})
	if err != nil {
		return nil, err
	}
	return made, nil
}

// NewIn is New for a namespace that belongs to the user namespace of another container, of whose parent the caller is root.
func NewIn(user *os.File) (*os.File, error) { return Up(userns.NewNet(user)) }

// NewWith is New for a namespace that belongs to a user namespace of its own, with the map.
func NewWith(m *userns.Map) (*os.File, error) { return Up(userns.NewNetwork(m)) }

// Up raises the loopback link of a namespace that was made just now; where it cannot, it closes it. An err is given back.
func Up(ns *os.File, err error) (*os.File, error) {
	if err != nil {
		return nil, err
	}
	if err := Do(ns, loopbackUp); err != nil {
		ns.Close()
		return nil, err
	}
	return ns, nil
}

// Own opens the namespace that the caller is in.
func Own() (*os.File, error) { return os.Open("/proc/self/ns/net") }

// OfProcess opens the namespace that a process is in. The caller makes sure that the pid is still the one meant.
func OfProcess(pid int) (*os.File, error) {
	return os.Open("/proc/" + strconv.Itoa(pid) + "/ns/net")
}

// Same says whether two open files are the same namespace.
func Same(a, b *os.File) bool {
	var x, y unix.Stat_t
	if unix.Fstat(int(a.Fd()), &x) != nil || unix.Fstat(int(b.Fd()), &y) != nil {
		return false
	}
	return x.Dev == y.Dev && x.Ino == y.Ino
}

// Do runs f on a thread inside of the namespace, and waits for it. Sockets that f opens stay in the namespace for good, and
// paths below /proc/sys/net are the namespace's own. f must not start goroutines that rely on it.
// It needs CAP_SYS_ADMIN in the caller's user namespace and in the one that owns ns: rootless, the caller is in the latter
// already (setns(2)). A nil ns is the caller's own.
func Do(ns *os.File, f func() error) error {
	if ns == nil {
		return f()
	}
	return onThread(func() error {
		if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("enter network namespace: %w", err)
		}
		return f()
	})
}

// onThread runs f on a thread that ends with it: one whose namespace was changed must not be used for anything else.
func onThread(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		done <- f()
	}()
	return <-done
}

// loopbackUp sets the flag by ioctl, which needs no netlink library (netdevice(7)).
func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	ifr, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	ifr.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, ifr); err != nil {
		return fmt.Errorf("set lo up: %w", err)
	}
	return nil
}

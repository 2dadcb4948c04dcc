// Package userns makes user namespaces that no process needs to live in: an open file, held for as long as it is needed.
//
// It is light: the standard library and golang.org/x/sys only.
package userns

import (
	"fmt"
	"os"
	"strconv"
	"syscall"

	"codeberg.org/hoy/hoy/oci/nsenter/raw"
	"golang.org/x/sys/unix"
)

// New makes a user namespace with the map, whose Outside ids are the caller's. It needs CAP_SETUID and CAP_SETGID in the caller's own.
func New(m *Map) (*os.File, error) { return m.make(unix.CLONE_NEWUSER, "user") }

// NewNetwork makes a user namespace and a network namespace that belongs to it, and gives the latter (Owner).
func NewNetwork(m *Map) (*os.File, error) { return m.make(unix.CLONE_NEWUSER|unix.CLONE_NEWNET, "net") }

// make makes namespaces with the map, and opens the one of the kind.
func (m *Map) make(flags uintptr, kind string) (*os.File, error) {
	ns, err := inFork(flags, nil, func(pid int, _ uintptr) (*os.File, error) {
		if err := m.Give(pid); err != nil {
			return nil, err
		}
		return openOf(pid, kind)
	})
	if err != nil {
		return nil, fmt.Errorf("user namespace: %w", err)
	}
	return ns, nil
}

// Give gives the user namespace of a child, which has none yet, its ids.
func (m *Map) Give(pid int) error {
	for _, w := range []struct {
		file   string
		ranges []Range
	}{{"/uid_map", m.UIDs}, {"/gid_map", m.GIDs}} {
		if err := os.WriteFile("/proc/"+strconv.Itoa(pid)+w.file, lines(w.ranges), 0); err != nil {
			return fmt.Errorf("write the id map: %w", err)
		}
	}
	return nil
}

// lines are the ranges as uid_map takes them (user_namespaces(7)).
func lines(ranges []Range) []byte {
	var b []byte
	for _, r := range ranges {
		b = fmt.Appendf(b, "%d %d %d\n", r.Inside, r.Outside, r.Count)
	}
	return b
}

// NewNet makes a network namespace that belongs to the user namespace: its root may do there what network administrators may.
// The caller has CAP_SYS_ADMIN in the user namespace.
func NewNet(ns *os.File) (*os.File, error) {
	join := func(s *raw.Script) {
		s.Label("join", "")
		s.Call(unix.SYS_SETNS, ns.Fd(), unix.CLONE_NEWUSER)
		s.Label("network namespace", "")
		s.Report(unix.SYS_UNSHARE, unix.CLONE_NEWNET)
	}
	net, err := inFork(0, join, func(pid int, _ uintptr) (*os.File, error) { return openOf(pid, "net") })
	if err != nil {
		return nil, fmt.Errorf("network namespace: %w", err)
	}
	return net, nil
}

// Of opens the user namespace that a child is in.
func Of(pid int) (*os.File, error) { return openOf(pid, "user") }

// NetworkOf opens the network namespace that a child is in.
func NetworkOf(pid int) (*os.File, error) { return openOf(pid, "net") }

func openOf(pid int, kind string) (*os.File, error) {
	return os.Open("/proc/" + strconv.Itoa(pid) + "/ns/" + kind)
}

// Owner opens the user namespace that owns a namespace (ioctl_ns(2)).
func Owner(ns *os.File) (*os.File, error) {
	fd, _, errno := unix.Syscall(unix.SYS_IOCTL, ns.Fd(), unix.NS_GET_USERNS, 0)
	if errno != 0 {
		return nil, fmt.Errorf("owner of %s: %w", ns.Name(), errno)
	}
	return os.NewFile(fd, "user namespace"), nil
}

// MountOf gives a detached copy of the mount that is at a path in the mount namespace of a process, /proc/PID. The caller has CAP_SYS_ADMIN there.
func MountOf(proc, path string) (*os.File, error) {
	ns, err := os.Open(proc + "/ns/mnt")
	if err != nil {
		return nil, err
	}
	defer ns.Close()
	copied := func(s *raw.Script) {
		s.Label("join", "")
		s.Call(unix.SYS_SETNS, ns.Fd(), unix.CLONE_NEWNS)
		s.Label("copy", path)
		const dirFD = ^uintptr(99) // AT_FDCWD
		s.Report(unix.SYS_OPEN_TREE, dirFD, s.String(path), unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	}
	mount, err := inFork(0, copied, func(pid int, fd uintptr) (*os.File, error) { return takeFD(pid, int(fd), path) })
	if err != nil {
		return nil, fmt.Errorf("mount of %s: %w", proc, err)
	}
	return mount, nil
}

// takeFD takes over an open file of a child.
func takeFD(pid, fd int, name string) (*os.File, error) {
	process, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(process)
	got, err := unix.PidfdGetfd(process, fd, 0)
	if err != nil {
		return nil, fmt.Errorf("pidfd_getfd: %w", err)
	}
	unix.CloseOnExec(got)
	return os.NewFile(uintptr(got), name), nil
}

// inFork forks with the flags, lets the child take steps, which must report one result, and then calls look with its pid, and the result, while it waits.
func inFork(flags uintptr, steps func(*raw.Script), look func(pid int, result uintptr) (*os.File, error)) (*os.File, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var s raw.Script
	s.Label("gate", "")
	s.Call(unix.SYS_CLOSE, w.Fd())
	results := 0
	if steps != nil {
		steps(&s)
		results = 1
	}
	s.AwaitByte(int(r.Fd()))
	f, err := s.Start(flags)
	if err != nil {
		w.Close()
		return nil, err
	}
	out, err := f.WaitFor(results)
	if err == nil && out.Failure != nil {
		err = fmt.Errorf("%s: %w", out.Failure.Step, out.Failure.Errno)
	}
	var ns *os.File
	if err == nil {
		result := uintptr(0)
		if len(out.Results) > 0 {
			result = out.Results[0]
		}
		ns, err = look(f.Pid, result)
	}
	w.Close() // the child ends
	reap(f.Pid)
	return ns, err
}

func reap(pid int) {
	for {
		if _, err := syscall.Wait4(pid, nil, 0, nil); err != syscall.EINTR {
			return
		}
	}
}

package monitor

import (
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"codeberg.org/hoy/hoy/engine/rootless"
	"codeberg.org/hoy/hoy/oci/nsenter/raw"
)

// spawnInside starts a monitor in a user namespace that this process, an ordinary user's, has to join for it: only there it has the right
// to enter the container's network. No Go program can join one, so a fork without Go does it (setns(2)), with files as 0, 1, 2 ….
func spawnInside(userns *os.File, argv []string, files []*os.File) error {
	const above = 64 // beyond the numbers that the files get
	env := append(environment(), rootless.Env()...)
	var s raw.Script
	s.Label("join the container's user namespace", "")
	s.Call(unix.SYS_SETNS, userns.Fd(), unix.CLONE_NEWUSER)
	s.Call(unix.SYS_UNSHARE, unix.CLONE_NEWNS) // in its own it may mount, when it has the container started again
	s.Label("session", "")
	s.Call(unix.SYS_SETSID)
	copies := make([]raw.Result, len(files))
	for i, f := range files {
		copies[i] = s.Call(unix.SYS_FCNTL, f.Fd(), unix.F_DUPFD_CLOEXEC, above)
	}
	for i, c := range copies {
		s.Call(unix.SYS_DUP3, 0, uintptr(i), 0)
		s.Use(0, c)
	}
	s.Call(unix.SYS_CHDIR, s.String("/"))
	s.Label("execute", "")
	s.Exec("/proc/self/exe", argv, env)
	f, err := s.Start(0)
	if err != nil {
		return fmt.Errorf("start monitor: %w", err)
	}
	out, err := f.Wait()
	if err == nil && out.Failure != nil {
		err = fmt.Errorf("%s: %w", out.Failure.Step, out.Failure.Errno)
	}
	if err != nil {
		syscall.Wait4(f.Pid, nil, 0, nil)
		return fmt.Errorf("start monitor: %w", err)
	}
	return nil
}

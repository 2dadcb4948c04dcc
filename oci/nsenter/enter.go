package nsenter

import (
	"errors"
	"strconv"

	"codeberg.org/hoy/hoy/oci/child"
	"codeberg.org/hoy/hoy/oci/child/wire"
	"codeberg.org/hoy/hoy/oci/nsenter/raw"
	"codeberg.org/hoy/hoy/oci/userns"
	"golang.org/x/sys/unix"
)

// enter forks into the container and tells the parent the outcome.
func enter(e *entry) error {
	l := child.Last{
		IDs: e.ids, Home: e.home, Caps: e.plan.Caps, Rlimits: e.plan.Rlimits, Umask: e.plan.Umask, Cwd: e.plan.Cwd,
		NoNewPrivileges: e.plan.NoNewPrivileges, Seccomp: e.plan.Seccomp, SeccompFlags: e.plan.SeccompFlags,
		Args: e.plan.Args, Env: e.plan.Env, KeepFDs: e.plan.KeepFDs,
		KillWithParent: e.KillWithParent,
	}
	s, err := e.script(&l)
	if err != nil {
		return err
	}
	fork, err := s.Start(unix.CLONE_PARENT)
	if err != nil {
		return err
	}
	out, err := fork.Wait()
	pids := Pids{Fork: fork.Pid}
	if len(out.Pids) > 0 {
		pids.Process = out.Pids[0]
	}
	if err := errors.Join(err, e.conn.Send(wire.Pids, wire.Marshal(pids))); err != nil {
		return err
	}
	if f := out.Failure; f != nil && f.Step == "fork" && f.Errno == unix.ENOMEM && e.ends() {
		return errEnded // fork(2): into a pid namespace whose first process ends nobody is born
	}
	if out.Failure != nil {
		return child.Explain(out.Failure, e.plan.Args[0], e.plan.Env, e.stat)
	}
	return nil
}

// stat looks at a path in the container.
func (e *entry) stat(path string, st *unix.Stat_t) error {
	fd, err := e.root.Open(path, unix.O_PATH)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Fstat(fd, st)
}

// script is what the forked processes do, in order.
//
//   - Join everything at once; the kernel takes the user namespace first and judges the others by the rights in it. No process of the container can
//     see this one: it is in the pid namespace of hoy.
//   - Give up privileges, all of them, while that still holds.
//   - Fork into the pid namespace. From here on a process of the container with CAP_SYS_PTRACE may look at this one, and finds what it
//     has itself: the container's root, no descriptor of the host, its own capabilities, and a sealed executable.
//   - Execute.
func (e *entry) script(l *child.Last) (*raw.Script, error) {
	spaces, err := e.namespaces()
	if err != nil {
		return nil, err
	}
	if l.NoGroups, err = child.SetgroupsDenied(e.proc, strconv.Itoa(e.plan.Pid)); err != nil {
		return nil, err
	}
	l.NoGroups = l.NoGroups || e.plan.KeepGroups
	if err := child.MoveKept(l.KeepFDs, &e.conn.FD, &e.pidfd); err != nil {
		return nil, err
	}
	var s raw.Script
	report, err := s.ReportTo()
	if err != nil {
		return nil, err
	}
	l.Keep = []int{report}
	if e.KillWithParent || l.Notifies() {
		l.Keep, l.ParentSocket = append(l.Keep, e.conn.FD), e.conn.FD
	}
	if spaces != 0 {
		s.Label("namespaces", "")
		s.Call(unix.SYS_SETNS, uintptr(e.pidfd), spaces)
	}
	if spaces&unix.CLONE_NEWNS == 0 { // else it has brought the root
		s.Label("root", "")
		s.Call(unix.SYS_FCHDIR, uintptr(e.root))
		s.Call(unix.SYS_CHROOT, s.String("."))
	}
	e.giveStdio(&s)
	e.setLabels(&s)
	l.Drop(&s)
	s.Label("fork", "")
	s.Fork(unix.CLONE_PARENT)
	s.Label("session", "")
	s.Call(unix.SYS_SETSID)
	if e.plan.Terminal {
		s.Call(unix.SYS_IOCTL, 0, unix.TIOCSCTTY, 0)
	}
	l.Execute(&s)
	return &s, nil
}

// setLabels tells the security modules what the command is to run as. It is written to the host's procfs, and a fork inherits it.
func (e *entry) setLabels(s *raw.Script) {
	for _, label := range []struct{ text, file string }{
		{e.plan.SELinux, "thread-self/attr/exec"},
		{prefixed("exec ", e.plan.AppArmor), "thread-self/attr/apparmor/exec"},
	} {
		if label.text == "" {
			continue
		}
		s.Label("label", label.text)
		fd := s.Call(unix.SYS_OPENAT, uintptr(e.proc), s.String(label.file), unix.O_WRONLY|unix.O_CLOEXEC)
		s.Call(unix.SYS_WRITE, 0, s.String(label.text), uintptr(len(label.text)))
		s.Use(0, fd)
	}
}

func prefixed(prefix, text string) string {
	if text == "" {
		return ""
	}
	return prefix + text
}

// spaces are the namespaces in /proc/PID/ns, with their flags.
var spaces = []struct {
	name string
	flag uintptr
}{
	{"user", unix.CLONE_NEWUSER}, {"mnt", unix.CLONE_NEWNS}, {"pid", unix.CLONE_NEWPID}, {"uts", unix.CLONE_NEWUTS},
	{"ipc", unix.CLONE_NEWIPC}, {"net", unix.CLONE_NEWNET}, {"cgroup", unix.CLONE_NEWCGROUP}, {"time", unix.CLONE_NEWTIME},
}

// namespaces gives the flags of those in which the container is and we are not: one's own user namespace cannot be joined, and the
// host's others need rights there that an ordinary user does not have.
func (e *entry) namespaces() (uintptr, error) {
	var flags uintptr
	for _, s := range spaces {
		own, err := e.readlink("self/ns/" + s.name)
		if err == unix.ENOENT {
			continue // not in this kernel
		}
		if err != nil {
			return 0, err
		}
		theirs, err := e.readlink(strconv.Itoa(e.plan.Pid) + "/ns/" + s.name)
		if err == unix.ENOENT {
			return 0, errEnded
		}
		if err != nil {
			return 0, err
		}
		if own != theirs {
			flags |= s.flag
		}
	}
	return flags, nil
}

func (e *entry) readlink(name string) (string, error) {
	var buf [64]byte
	n, err := unix.Readlinkat(e.proc, name, buf[:])
	if err != nil {
		return "", err
	}
	return string(buf[:n]), nil
}

// giveStdio makes the user the owner of the terminal and of pipes on 0, 1 and 2, so that the process can open /dev/stdout once more. In the
// container's user namespace that works for what has an owner there; from outside for root.
func (e *entry) giveStdio(s *raw.Script) {
	s.Label("stdio", "")
	outside, ok := e.outsideID(e.ids.UID)
	for fd := range 3 {
		var st unix.Stat_t
		if unix.Fstat(fd, &st) == nil && (e.plan.Terminal || st.Mode&unix.S_IFMT == unix.S_IFIFO) {
			const unchanged = 1<<32 - 1
			if ok {
				_ = unix.Fchown(fd, int(outside), -1)
			}
			s.MayFail(unix.SYS_FCHOWN, uintptr(fd), uintptr(e.ids.UID), unchanged)
		}
	}
}

// outsideID gives the id here of a user of the container's user namespace.
func (e *entry) outsideID(uid uint32) (uint32, bool) {
	ranges, err := child.ReadRanges(e.proc, strconv.Itoa(e.plan.Pid)+"/uid_map")
	if err != nil {
		return 0, false
	}
	m := userns.Map{UIDs: ranges}
	return m.UID(uid)
}

// ends says whether the container's first process ends, which takes a moment: it takes the others with it.
func (e *entry) ends() bool {
	poll := []unix.PollFd{{Fd: int32(e.pidfd), Events: unix.POLLIN}}
	n, err := unix.Poll(poll, 1000)
	return err == nil && n > 0
}

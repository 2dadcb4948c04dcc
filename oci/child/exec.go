package child

import (
	"strconv"
	"strings"

	"codeberg.org/hoy/hoy/oci/nsenter/raw"
	"golang.org/x/sys/unix"
)

// maxPollFD is above every descriptor that this process opens.
const maxPollFD = 4096

// becomeProcess is the end: privileges are dropped and the command is executed, by system calls alone.
// It comes when the parent has said go. It returns only a failure.
func becomeProcess(b *birth) error {
	if err := MoveKept(b.plan.KeepFDs, &b.conn.FD); err != nil {
		return err
	}
	l := &Last{
		IDs: b.ids, Home: b.home, Caps: b.plan.Caps, Rlimits: b.plan.Rlimits, Umask: b.plan.Umask, Cwd: b.plan.Cwd,
		NoNewPrivileges: b.plan.NoNewPrivileges, Seccomp: b.plan.Seccomp, SeccompFlags: b.plan.SeccompFlags,
		Args: b.plan.Args, Env: b.plan.Env, KeepFDs: b.plan.KeepFDs, Keep: append(raw.PollFDs(maxPollFD), b.conn.FD),
		KillWithParent: b.KillWithParent, ParentSocket: b.conn.FD,
	}
	if b.plan.ListenPID {
		l.Env = append(l.Env, "LISTEN_PID="+strconv.Itoa(unix.Getpid()))
	}
	denied, err := SetgroupsDenied(b.proc, "self")
	if err != nil {
		return err
	}
	l.NoGroups = denied || b.plan.KeepGroups
	b.giveStdio()
	if err := b.runStartHooks(l); err != nil {
		return err
	}
	if err := b.setLabels(); err != nil {
		return err
	}
	var s raw.Script
	if err := b.script(l, &s); err != nil {
		return err
	}
	f := s.Here()
	if f == nil {
		return nil
	}
	return Explain(f, b.plan.Args[0], b.plan.Env, unix.Stat)
}

func (b *birth) script(l *Last, s *raw.Script) error {
	if b.plan.Init {
		return b.initScript(l, s)
	}
	l.Drop(s)
	l.Execute(s)
	return nil
}

// giveStdio makes the container's user the owner of its terminal and of FIFOs and pipes on 0, 1 and 2, so that it can open /dev/stdout once
// more. Files and devices stay their owner's; where an id is not mapped nothing changes (runc does the same).
func (b *birth) giveStdio() {
	for fd := range 3 {
		st, err := fstat(fd)
		if err != nil || st.Uid == b.ids.UID {
			continue
		}
		if st.Mode&unix.S_IFMT == unix.S_IFIFO || fd == b.tty || b.tty >= 0 {
			_ = unix.Fchown(fd, int(b.ids.UID), -1)
		}
	}
}

// setLabels tells the security modules what the command is to run as. It comes when nothing else is executed any more. The files are opened on procfs itself:
// a fake one could take the label and do nothing (CVE-2019-16884).
func (b *birth) setLabels() error {
	for _, l := range []struct{ label, prefix, file string }{
		{b.plan.AppArmor, "exec ", "apparmor/exec"},
		{b.plan.SELinux, "", "exec"},
	} {
		if l.label == "" {
			continue
		}
		err := writeProcSafely(b.proc, "thread-self/attr/"+l.file, l.prefix+l.label)
		if err == unix.ENOENT && l.prefix != "" { // before Linux 5.8
			err = writeProcSafely(b.proc, "thread-self/attr/exec", l.prefix+l.label)
		}
		if err != nil {
			return AsStep("label", because(l.label, "set the label of the process", err))
		}
	}
	return nil
}

// SetgroupsDenied says whether the process pid ("self" or a number in proc) is in a user namespace with one id only, where nobody may have
// supplementary groups (user_namespaces(7)).
func SetgroupsDenied(proc int, pid string) (bool, error) {
	value, err := readProc(proc, pid+"/setgroups")
	if err == unix.ENOENT { // no user namespaces in this kernel
		return false, nil
	}
	return strings.TrimSpace(value) == "deny", at("setgroups", err)
}

// MoveKept moves the descriptors that a process keeps down to 3, from behind the reserved ones that the parent put before them; these move
// out of the way.
func MoveKept(keep int, reserved ...*int) error {
	if keep == 0 {
		return nil
	}
	for _, fd := range reserved {
		moved, err := unix.FcntlInt(uintptr(*fd), unix.F_DUPFD_CLOEXEC, 3+len(reserved)+keep)
		if err != nil {
			return err
		}
		*fd = moved
	}
	for fd := 3; fd < 3+keep; fd++ {
		if err := unix.Dup3(fd+len(reserved), fd, 0); err != nil {
			return err
		}
	}
	return nil
}

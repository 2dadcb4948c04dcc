package child

import (
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// becomeRoot makes the process the root of the container's own user namespace, which had no ids when the process was born in it: it kept its parent's, and
// its capabilities as ambient ones. It is first: nobody but the parent knows of the process. Like all changes of credentials it makes the
// process undumpable, and takes PDEATHSIG back.
func becomeRoot(b *birth) error {
	if !b.Unmapped {
		return nil
	}
	var groups unix.Errno
	if !b.plan.KeepGroups {
		_, _, groups = unix.RawSyscall(sysSetgroups, 0, 0, 0)
	}
	if groups != 0 && groups != unix.EPERM { // denied in a namespace of one id
		return at("setgroups", groups)
	}
	for _, call := range []uintptr{sysSetresgid, sysSetresuid} {
		if _, _, errno := unix.RawSyscall(call, 0, 0, 0); errno != 0 {
			return at("root of the user namespace", errno)
		}
	}
	return at("ambient capabilities", unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0))
}

// startSession leaves everything of the parent's that a process inherits. It is early: nothing of the container exists yet.
//
//   - A session of its own: a process that shares the caller's controlling terminal could type into the caller's shell
//     with TIOCSTI (CVE-2017-5226).
//   - PDEATHSIG, when the container is to die with its parent. It fires when the thread dies that made us, so the parent keeps that thread. A
//     parent that died before this line has closed the socket, which the next look at it finds; so there is no ppid to
//     compare, which in a new pid namespace is always 0.
//   - oom_score_adj before dumpable, because undumpable processes' files in /proc belong to the host's root.
//   - Not dumpable: nothing else in a joined pid namespace may look into a process that still has the host's privileges (CVE-2016-9962).
//   - As process 1 of its pid namespace, deaf to signals: the kernel drops those that a process 1 has no handler for, but the Go runtime has
//     handlers, which end the process. Nobody knows of this process yet; they will when it is ready.
//   - umask 0, so that modes are exact; the container's own is set at the end.
func startSession(b *birth) error {
	if _, err := unix.Setsid(); err != nil && err != unix.EPERM { // EPERM: already a leader
		return at("setsid", err)
	}
	if b.KillWithParent {
		if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
			return at("pdeathsig", err)
		}
	}
	proc, err := openHostProc()
	if err != nil {
		return err
	}
	b.proc = proc
	if b.userns, err = inUserns(proc); err != nil {
		return err
	}
	if b.plan.OOMScore != nil {
		if err := setOOMScore(proc, *b.plan.OOMScore); err != nil {
			return err
		}
	}
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return at("dumpable", err)
	}
	joinKeyring(b.plan.Keyring)
	if unix.Getpid() == 1 {
		ignoreSignals()
	}
	unix.Umask(0)
	if b.plan.Personality != nil {
		if _, _, errno := unix.RawSyscall(unix.SYS_PERSONALITY, uintptr(*b.plan.Personality), 0, 0); errno != 0 {
			return at("personality", errno)
		}
	}
	return nil
}

// ignoreSignals ignores all; the last step puts the defaults back. SIGCHLD stays: who ignores it does not learn how its children end (wait(2)), and
// hooks are children.
func ignoreSignals() {
	var list []os.Signal
	for sig := unix.Signal(1); sig <= 64; sig++ {
		if sig != unix.SIGCHLD {
			list = append(list, sig)
		}
	}
	signal.Ignore(list...)
}

// inUserns says whether the ids of this process are mapped: then devices cannot be made and overlays keep their marks in user.* attributes.
// The first namespace maps every id to itself (user_namespaces(7)).
func inUserns(proc int) (bool, error) {
	data, err := readProc(proc, "self/uid_map")
	if err != nil {
		return false, at("uid_map", err)
	}
	return strings.Join(strings.Fields(data), " ") != "0 0 4294967295", nil
}

// selfInUserns is inUserns for a process that has no /proc open.
func selfInUserns() (bool, error) {
	proc, err := openHostProc()
	if err != nil {
		return false, err
	}
	defer unix.Close(proc)
	return inUserns(proc)
}

func openHostProc() (int, error) {
	fd, err := unix.Open("/proc", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	return fd, at("/proc", err)
}

// setOOMScore sets oom_score_adj. Lowering it needs CAP_SYS_RESOURCE on the host; where it is refused, the parent's score stays, as Docker
// rootless and podman have it, because no container should fail for it.
func setOOMScore(proc, score int) error {
	score = min(max(score, -1000), 1000)
	err := writeProc(proc, "self/oom_score_adj", strconv.Itoa(score))
	if err == unix.EACCES || err == unix.EPERM {
		return nil
	}
	return at("oom_score_adj", err)
}

// joinKeyring starts a new session keyring, so that the container does not hold the caller's keys. It never fails: a user's quota of
// keys is soon used up by many containers, and a container without a keyring of its own is the lesser evil (runc does the same).
func joinKeyring(name string) {
	if name != "" {
		_, _ = unix.KeyctlJoinSessionKeyring(name)
	}
}

// joinNamespaces enters the namespaces of Plan.Join, and makes the cgroup namespace. That one shows the group that its maker was in as its
// root, and the parent has put this process into its group only after the clone (CLONE_INTO_CGROUP is too late for it as well). It
// comes before anything is mounted, because mounts of procfs, sysfs, mqueue and cgroups show the namespaces of who mounts them. All are
// opened first: one may be a mount namespace, after which the paths mean something else. A pid namespace is not entered here: only a
// child of who enters it is inside, so the parent does it.
func joinNamespaces(b *birth) error {
	var joins []NamespaceJoin
	if b.plan.Userns == nil { // else it was born in them: in a user namespace of its own it may not join others' any more
		joins = b.plan.Join
	}
	fds := make([]int, len(joins))
	for i, j := range joins {
		fd, err := unix.Open(j.Path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return at(j.Path, err)
		}
		defer unix.Close(fd)
		fds[i] = fd
	}
	for i, j := range joins {
		if err := join(fds[i], int(j.Type)); err != nil {
			return at(j.Path, err)
		}
	}
	if b.plan.Clone&unix.CLONE_NEWCGROUP == 0 {
		return nil
	}
	return at("cgroup", unix.Unshare(unix.CLONE_NEWCGROUP))
}

func join(fd, kind int) error {
	switch kind {
	case unix.CLONE_NEWPID:
		return nil // the parent did
	case unix.CLONE_NEWUSER:
		return fmt.Errorf("a user namespace can only be joined by an exec")
	case unix.CLONE_NEWNS:
		// A thread that shares its working directory with others may not change what the directory is in (setns(2)).
		if err := unix.Unshare(unix.CLONE_FS); err != nil {
			return err
		}
	}
	return unix.Setns(fd, kind)
}

// setPropagation cuts the new mount namespace off from the host's, so that nothing mounted from here on shows up there. When the plan asks for
// shared mounts (-v …:rshared), they stay connected until the sources that shall be so are copied; nothing is attached before isolate.
func setPropagation(b *birth) error {
	if b.plan.HostMounts {
		return nil
	}
	flags := b.plan.Propagation
	if flags == 0 || flags&unix.MS_UNBINDABLE != 0 { // what is unbindable could not be a source
		flags = unix.MS_PRIVATE | unix.MS_REC
	}
	return at("/", unix.Mount("", "/", "", flags, ""))
}

// isolate cuts off what setPropagation left connected, now that the sources are copied. While it were shared, the new root would be mounted
// on the host's too, and with the old root the host's own mounts below it would be taken off; pivot_root(2) refuses it as well.
func isolate(b *birth) error {
	if b.plan.Propagation&unix.MS_SHARED == 0 {
		return nil
	}
	return at("/", unix.Mount("", "/", "", unix.MS_SLAVE|unix.MS_REC, ""))
}

package runtime

import (
	"fmt"
	"os"
	"strconv"
	"syscall"

	"codeberg.org/hoy/hoy/oci/child"
	"codeberg.org/hoy/hoy/oci/nsenter/nofile"
	"codeberg.org/hoy/hoy/oci/nsenter/raw"
	"codeberg.org/hoy/hoy/oci/userns"
	"golang.org/x/sys/unix"
)

// inside says whether the process has a user namespace of its own.
func (c *clone) inside() bool { return c.userns != nil || c.flags&unix.CLONE_NEWUSER != 0 }

// getInside settles how the process comes into the container's user namespace: it is born in it when nothing is to be joined, or only the network of the
// process that was started ahead.
func (c *clone) getInside(p *child.Plan, o StartOptions) (err error) {
	c.ids, c.keepGroups = &p.Userns.Map, p.KeepGroups
	born := *c
	born.flags |= unix.CLONE_NEWUSER
	if len(p.Join) > 0 {
		born.flags |= unix.CLONE_NEWNET
	}
	if p.Userns.Path == "" && (len(p.Join) == 0 || o.Ahead.inNetwork(p.Join) && o.Ahead.fits(&born, o)) {
		*c = born
		return nil
	}
	c.joins = p.Join
	c.userns, err = openUserns(p)
	return err
}

// openUserns gives the user namespace of a container that was there before its process: another's, that of its network, or, because there are
// namespaces to be joined from outside of it, a new one.
func openUserns(p *child.Plan) (*os.File, error) {
	u := p.Userns
	switch {
	case u.Path != "":
		return os.Open(u.Path)
	case !u.OfNetwork:
		return userns.New(&u.Map)
	}
	for _, j := range p.Join {
		if j.Type == unix.CLONE_NEWNET {
			net, err := os.Open(j.Path)
			if err != nil {
				return nil, err
			}
			defer net.Close()
			return userns.Owner(net)
		}
	}
	return nil, fmt.Errorf("the container's network namespace, which has its user namespace, is not to be joined")
}

// userns gives the user namespace that the process was born in its ids, once, and opens it.
func (p *Process) userns(ids *userns.Map) (ns *os.File, err error) {
	if p.ids == nil {
		if err = ids.Give(p.Pid); err == nil {
			p.ids = ids
		}
	}
	if err == nil {
		ns, err = userns.Of(p.Pid)
	}
	if err != nil {
		return nil, fmt.Errorf("user namespace: %w", err)
	}
	return ns, nil
}

// mayAllExecute says whether every user may execute exe.
func mayAllExecute(exe *os.File) bool {
	st, err := exe.Stat()
	return err == nil && st.Mode()&0o001 != 0
}

// executeInside is execute for a container whose user namespace is there already. No Go program may join one, because it has threads (setns(2)), so a
// forked child that has one joins it, and the other namespaces before that, where it may still; then it forks into the new ones. What it forks
// is a child of ours, the container's root, and executes exe.
func (c *clone) executeInside(proc *Process, exe *os.File, files []uintptr, o StartOptions) error {
	joins, closeJoins, err := c.openJoins()
	if err != nil {
		return err
	}
	defer closeJoins()
	s := c.insideScript(joins)
	closeFiles, err := c.execution(s, exe, files)
	defer closeFiles()
	if err != nil {
		return err
	}
	c.give(o)
	start := func() (int, error) { return runInside(s) }
	outside := *c
	outside.pidns = nil // the script joins it
	if proc.Pid, proc.release, err = outside.fork(start, o.KillWithParent); err != nil {
		return err
	}
	if proc.Pidfd, err = openPidfd(proc.Pid); err == nil && o.CgroupFD != nil {
		procs := "/proc/self/fd/" + strconv.Itoa(int(o.CgroupFD.Fd())) + "/cgroup.procs"
		err = os.WriteFile(procs, strconv.AppendInt(nil, int64(proc.Pid), 10), 0)
	}
	if err == nil {
		return nil
	}
	_ = unix.Kill(proc.Pid, unix.SIGKILL)
	_, _ = syscall.Wait4(proc.Pid, nil, 0, nil)
	if proc.Pidfd != nil {
		proc.Pidfd.Close()
	}
	if proc.release != nil {
		close(proc.release)
	}
	return fmt.Errorf("enter cgroup: %w", err)
}

// give makes the container's root the owner of the FIFOs and pipes among its stdio, which then gives them to the container's user: an owner from
// outside could not be changed there.
func (c *clone) give(o StartOptions) {
	uid, _ := c.ids.UID(0)
	gid, _ := c.ids.GID(0)
	for _, f := range []*os.File{o.Stdin, o.Stdout, o.Stderr} {
		var st unix.Stat_t
		if f != nil && unix.Fstat(int(f.Fd()), &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFIFO {
			_ = unix.Fchown(int(f.Fd()), int(uid), int(gid))
		}
	}
}

// openJoins opens the namespaces to be born in.
func (c *clone) openJoins() (files []*os.File, closeAll func(), err error) {
	closeAll = func() {
		for _, f := range files {
			f.Close()
		}
	}
	for _, j := range c.joins {
		f, err := os.Open(j.Path)
		if err != nil {
			closeAll()
			return nil, nil, err
		}
		files = append(files, f)
	}
	return files, closeAll, nil
}

// insideScript is how the forked children come inside.
func (c *clone) insideScript(joins []*os.File) *raw.Script {
	var s raw.Script
	for i, f := range joins {
		s.Label("namespaces", c.joins[i].Path)
		s.Call(unix.SYS_SETNS, f.Fd(), c.joins[i].Type)
	}
	s.Label("user namespace", "")
	s.Call(unix.SYS_SETNS, c.userns.Fd(), unix.CLONE_NEWUSER)
	if !c.keepGroups {
		s.MayFail(unix.SYS_SETGROUPS, 0, 0) // denied in a namespace of one id
	}
	s.Call(unix.SYS_SETRESGID, 0, 0, 0)
	s.Call(unix.SYS_SETRESUID, 0, 0, 0)
	s.Label("clone", "")
	s.Fork(unix.CLONE_PARENT | c.flags)
	return &s
}

// execution appends what a forked child executes, with the descriptors files. The caller calls undo when it is forked.
func (c *clone) execution(s *raw.Script, exe *os.File, files []uintptr) (undo func(), err error) {
	s.Label("descriptors", "")
	// The copies have numbers that none of the places has, so that none is overwritten before its turn.
	var copies []int
	undo = func() {
		for _, fd := range copies {
			unix.Close(fd)
		}
	}
	for i, f := range files {
		fd, err := unix.FcntlInt(f, unix.F_DUPFD_CLOEXEC, 2*len(files)+3)
		if err != nil {
			return undo, err
		}
		copies = append(copies, fd)
		s.Call(unix.SYS_DUP3, uintptr(fd), uintptr(i), 0)
	}
	if o := nofile.Original; o != (nofile.Limit{}) {
		s.Call(unix.SYS_PRLIMIT64, 0, unix.RLIMIT_NOFILE, s.Longs(o.Soft, o.Hard), 0)
	}
	s.Call(unix.SYS_CHDIR, s.String("/"))
	s.Label("execute", exe.Name())
	s.Exec("/proc/self/fd/"+strconv.Itoa(int(exe.Fd())), []string{c.role}, ChildEnv)
	return undo, nil
}

// executeBorn is execute for a process that is born in a new user namespace. It keeps its capabilities over the execve.
func (c *clone) executeBorn(proc *Process, exe *os.File, files []uintptr, o StartOptions) error {
	var s raw.Script
	keepCaps(&s)
	closeFiles, err := c.execution(&s, exe, files)
	defer closeFiles()
	if err != nil {
		return err
	}
	cgroup := -1
	if o.CgroupFD != nil {
		cgroup = int(o.CgroupFD.Fd())
	}
	start := func() (int, error) {
		f, err := s.Spawn(c.flags, cgroup)
		if err != nil {
			return 0, err
		}
		out, err := f.Wait()
		if err == nil && out.Failure != nil {
			err = fmt.Errorf("%s: %w", out.Failure.Step, out.Failure.Errno)
		}
		if err != nil {
			_ = unix.Kill(f.Pid, unix.SIGKILL)
			_, _ = syscall.Wait4(f.Pid, nil, 0, nil)
		}
		return f.Pid, err
	}
	if proc.Pid, proc.release, err = c.fork(start, o.KillWithParent); err == nil {
		proc.Pidfd, _ = openPidfd(proc.Pid) // it may have none
	}
	return err
}

// keepCaps lets all capabilities outlive an execve. A process that is born in a new user namespace has them there, but until the namespace has its ids
// it is nobody in it, and only ambient ones stay (user_namespaces(7), capabilities(7)).
func keepCaps(s *raw.Script) {
	const all = 1<<32 - 1
	var known uint64
	for c := uintptr(0); ; c++ {
		if _, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, c, 0, 0, 0); err != nil {
			break
		}
		known |= 1 << c
	}
	s.Label("capabilities", "")
	low, high := uint32(known&all), uint32(known>>32)
	s.Call(unix.SYS_CAPSET, s.Words([]uint32{unix.LINUX_CAPABILITY_VERSION_3, 0}), s.Words([]uint32{low, low, low, high, high, high}))
	for c := range uintptr(64) {
		if known>>c&1 != 0 {
			s.Call(unix.SYS_PRCTL, unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_RAISE, c, 0, 0)
		}
	}
}

// runInside runs the script and gives the process that was forked last.
func runInside(s *raw.Script) (int, error) {
	f, err := s.Start(0)
	if err != nil {
		return 0, err
	}
	out, err := f.Wait()
	_, _ = syscall.Wait4(f.Pid, nil, 0, nil)
	if err == nil && out.Failure != nil {
		err = fmt.Errorf("%s: %w", out.Failure.Step, out.Failure.Errno)
	}
	if err == nil && len(out.Pids) == 0 {
		err = errHungUp
	}
	if err != nil {
		for _, pid := range out.Pids {
			_ = unix.Kill(pid, unix.SIGKILL)
			_, _ = syscall.Wait4(pid, nil, 0, nil)
		}
		return 0, err
	}
	return out.Pids[0], nil
}

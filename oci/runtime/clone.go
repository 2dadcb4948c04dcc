package runtime

import (
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"
	"strconv"
	"syscall"

	"codeberg.org/hoy/hoy/oci/child"
	"codeberg.org/hoy/hoy/oci/child/wire"
	"codeberg.org/hoy/hoy/oci/userns"
	"golang.org/x/sys/unix"
)

// clone is how a role of hoy is started.
type clone struct {
	role       string
	flags      uintptr               // CLONE_NEW*; with CLONE_NEWUSER it executes before the namespace has its ids (executeBorn)
	pidns      *os.File              // an existing pid namespace to be born in, or nil
	userns     *os.File              // the container's own user namespace that there is already, to be born in, or nil
	ids        *userns.Map           // of the container's own user namespace
	joins      []child.NamespaceJoin // with userns: the namespaces to be born in
	keepGroups bool                  // with userns: the caller's supplementary groups stay
	clocks     []string              // the offsets of a new time namespace to be born in; nil: none
	terminal   bool                  // stdio is not handed over: the child makes its own
	seats      *seats                // groups of version 1 to be born in; nil: it is moved there
}

// start starts the role from the sealed executable, with one end of a new conversation.
func (c *clone) start(o StartOptions) (*Process, error) {
	sealed := o.Sealed
	if sealed == nil {
		sealed = Seal()
		defer sealed.Close()
	}
	exe, err := sealed.File()
	if err != nil {
		return nil, err
	}
	if c.inside() && !mayAllExecute(exe) { // the child is a stranger to it
		if exe, err = sealedInMemory(); err != nil {
			return nil, err
		}
		defer exe.Close()
	}
	null, err := os.OpenFile("/dev/null", os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	parent, peer, err := wire.Pair()
	if err != nil {
		return nil, err
	}
	defer peer.Close()
	proc := &Process{conn: parent, notify: o.Notify, unmapped: c.flags&unix.CLONE_NEWUSER != 0}
	if err := c.execute(proc, exe, c.files(o, null, peer), o); err != nil {
		parent.Close()
		return nil, fmt.Errorf("clone: %w", err)
	}
	return proc, nil
}

// execute forks and executes exe with the descriptors files.
func (c *clone) execute(proc *Process, exe *os.File, files []uintptr, o StartOptions) error {
	// What somebody left open for us by accident is not the child's (CVE-2024-21626). What the child gets is in files.
	if err := unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return fmt.Errorf("close on exec: %w", err)
	}
	exe, err := beyond(exe, files)
	if err != nil {
		return err
	}
	defer exe.Close()
	switch {
	case c.userns != nil:
		return c.executeInside(proc, exe, files, o)
	case c.flags&unix.CLONE_NEWUSER != 0:
		return c.executeBorn(proc, exe, files, o)
	}
	pidfd := -1
	attr := &syscall.ProcAttr{Dir: "/", Env: ChildEnv, Files: files, Sys: &syscall.SysProcAttr{Cloneflags: c.flags, PidFD: &pidfd}}
	if o.CgroupFD != nil {
		attr.Sys.UseCgroupFD, attr.Sys.CgroupFD = true, int(o.CgroupFD.Fd())
	}
	path := "/proc/self/fd/" + strconv.Itoa(int(exe.Fd()))
	start := func() (int, error) {
		pid, _, err := syscall.StartProcess(path, []string{c.role}, attr)
		return pid, err
	}
	if proc.Pid, proc.release, err = c.fork(start, o.KillWithParent); err != nil {
		return err
	}
	if pidfd >= 0 {
		proc.Pidfd = os.NewFile(uintptr(pidfd), "pidfd")
	}
	return nil
}

// beyond gives the executable a number that the forked process does not use while it puts its descriptors in their places: it takes
// those after the highest of them as it needs (syscall.forkAndExecInChild), and one may be this one's when other goroutines open files.
func beyond(exe *os.File, files []uintptr) (*os.File, error) {
	highest := max(int(slices.Max(files)), len(files))
	fd, err := unix.FcntlInt(exe.Fd(), unix.F_DUPFD_CLOEXEC, highest+len(files)+2)
	if err != nil {
		return nil, fmt.Errorf("duplicate a descriptor: %w", err)
	}
	return os.NewFile(uintptr(fd), exe.Name()), nil
}

// ChildEnv is the environment of the roles: nothing of the caller's, and nothing of the container's, whose environment is in the plan
// (CVE-2025-23266). A child is one thread's work, lives too short for a garbage collection, and needs no time zone. Without SSE 4.2 hash/crc32, of which a
// library makes a table at once, makes that in a tenth of the time.
var ChildEnv = []string{"GOMAXPROCS=1", "GOGC=off", "TZ=", "GODEBUG=cpu.sse42=off"}

// files are the child's descriptors: stdio, the socket on child.SocketFD, and what the container keeps.
func (c *clone) files(o StartOptions, null *os.File, peer wire.Conn) []uintptr {
	var files []uintptr
	for _, f := range []*os.File{o.Stdin, o.Stdout, o.Stderr} {
		if f == nil || c.terminal {
			f = null
		}
		files = append(files, f.Fd())
	}
	files = append(files, uintptr(peer.FD))
	for _, f := range o.ExtraFiles {
		files = append(files, f.Fd())
	}
	return files
}

// fork starts the program. PDEATHSIG fires when the thread ends that forked (prctl(2)), and the Go runtime ends threads as it likes, so
// with it the thread is kept until release is closed (go.dev/issue/27505). A thread that enters another pid namespace for its children
// can start no further threads, so it too is one of its own; and one that enters control groups for them does nothing else meanwhile.
func (c *clone) fork(start func() (int, error), keep bool) (pid int, release chan struct{}, err error) {
	if !keep && c.pidns == nil && c.clocks == nil && c.seats == nil {
		pid, err = start()
		return pid, nil, err
	}
	if keep {
		release = make(chan struct{})
	}
	done := make(chan struct{})
	go func() {
		runtime.LockOSThread()
		var back func()
		err = setClocks(c.clocks)
		if err == nil {
			back, err = enterPidns(c.pidns)
		}
		var left error
		if err == nil {
			pid, left, err = c.seats.fork(start)
			back()
		}
		close(done)
		if keep && err == nil {
			<-release
		}
		if c.pidns == nil && c.clocks == nil && left == nil {
			runtime.UnlockOSThread() // a thread that changed namespaces ends with its goroutine
		}
	}()
	<-done
	return pid, release, err
}

func openPidns(joins []child.NamespaceJoin) (*os.File, error) {
	for _, j := range joins {
		if j.Type == unix.CLONE_NEWPID {
			return os.Open(j.Path)
		}
	}
	return nil, nil
}

// enterPidns makes this thread's children be born in a pid namespace, until back is called.
func enterPidns(ns *os.File) (back func(), err error) {
	if ns == nil {
		return func() {}, nil
	}
	own, err := os.Open("/proc/self/ns/pid")
	if err != nil {
		return nil, err
	}
	if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWPID); err != nil {
		own.Close()
		return nil, fmt.Errorf("enter pid namespace: %w", err)
	}
	return func() {
		_ = unix.Setns(int(own.Fd()), unix.CLONE_NEWPID)
		own.Close()
	}, nil
}

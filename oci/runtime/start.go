package runtime

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"slices"
	"strconv"
	"syscall"

	"codeberg.org/hoy/hoy/oci/child"
	"codeberg.org/hoy/hoy/oci/child/wire"
	"golang.org/x/sys/unix"
)

// Start clones the child into the plan's namespaces and lets it take every step up to "ready": the container is complete
// but its command does not run yet. An error leaves nothing behind; when a step failed it is a *StepError.
func Start(p *child.Plan, o StartOptions) (*Process, error) {
	if p.Clone&unix.CLONE_NEWUSER != 0 {
		return nil, errors.New("a user namespace is made by the caller, not by a plan")
	}
	pidns, err := openPidns(p.Join)
	if err != nil {
		return nil, err
	}
	if pidns != nil {
		defer pidns.Close()
	}
	c := clone{role: child.Role, flags: p.Clone, pidns: pidns, terminal: p.Terminal}
	root := prepareRoot(p.Rootfs)
	proc, err := c.start(o)
	made := <-root
	defer unix.Close(made.fd)
	if err != nil {
		return nil, err
	}
	if err = made.err; err == nil {
		err = proc.introduce(wire.Marshal(child.Start{Plan: p, KillWithParent: o.KillWithParent}), made.fd, o)
	}
	if err != nil {
		proc.discard()
		return nil, err
	}
	return proc, nil
}

// clone is how a role of hoy is started.
type clone struct {
	role     string
	flags    uintptr  // CLONE_NEW*
	pidns    *os.File // an existing pid namespace to be born in, or nil
	terminal bool     // stdio is not handed over: the child makes its own
}

// start starts the role from the sealed executable, with one end of a new conversation.
func (c clone) start(o StartOptions) (*Process, error) {
	exe, err := SealedSelf()
	if err != nil {
		return nil, fmt.Errorf("seal hoy's executable: %w", err)
	}
	defer exe.Close()
	parent, peer, err := wire.Pair()
	if err != nil {
		return nil, err
	}
	defer peer.Close()
	null, err := os.OpenFile("/dev/null", os.O_RDWR, 0)
	if err != nil {
		parent.Close()
		return nil, err
	}
	defer null.Close()

	pidfd := -1
	attr := &syscall.ProcAttr{
		Dir:   "/",
		Env:   childEnv,
		Files: c.files(o, null, peer),
		Sys:   &syscall.SysProcAttr{Cloneflags: c.flags, PidFD: &pidfd},
	}
	if o.CgroupFD != nil {
		attr.Sys.UseCgroupFD, attr.Sys.CgroupFD = true, int(o.CgroupFD.Fd())
	}
	// What somebody left open for us by accident is not the child's (CVE-2024-21626). What the child gets is in Files.
	if err := unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		parent.Close()
		return nil, fmt.Errorf("close on exec: %w", err)
	}
	proc := &Process{conn: parent}
	if exe, err = beyond(exe, attr.Files); err != nil {
		parent.Close()
		return nil, err
	}
	defer exe.Close()
	path := "/proc/self/fd/" + strconv.Itoa(int(exe.Fd()))
	if proc.Pid, proc.release, err = c.fork(path, attr, o.KillWithParent); err != nil {
		parent.Close()
		return nil, fmt.Errorf("clone: %w", err)
	}
	if pidfd >= 0 {
		proc.Pidfd = os.NewFile(uintptr(pidfd), "pidfd")
	}
	return proc, nil
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

// childEnv is the environment of the roles: nothing of the caller's, and nothing of the container's, whose environment is in the plan
// (CVE-2025-23266). A child is one thread's work, and lives too short for a garbage collection.
var childEnv = []string{"GOMAXPROCS=1", "GOGC=off"}

// files are the child's descriptors: stdio, the socket on child.SocketFD, and what the container keeps.
func (c clone) files(o StartOptions, null *os.File, peer wire.Conn) []uintptr {
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
// can start no further threads, so it too is one of its own.
func (c clone) fork(path string, attr *syscall.ProcAttr, keep bool) (pid int, release chan struct{}, err error) {
	argv := []string{c.role}
	if !keep && c.pidns == nil {
		pid, _, err = syscall.StartProcess(path, argv, attr)
		return pid, nil, err
	}
	if keep {
		release = make(chan struct{})
	}
	done := make(chan struct{})
	go func() {
		runtime.LockOSThread()
		back := func() {}
		if back, err = enterPidns(c.pidns); err == nil {
			pid, _, err = syscall.StartProcess(path, argv, attr)
			back()
		}
		close(done)
		if keep && err == nil {
			<-release
		}
		if c.pidns == nil {
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

// preparedRoot is a root as a detached mount; fd is -1 when the child has to make it itself.
type preparedRoot struct {
	fd  int
	err error
}

// prepareRoot makes the root while the child is being cloned and executed: each takes about a millisecond.
func prepareRoot(r child.Rootfs) <-chan preparedRoot {
	done := make(chan preparedRoot, 1)
	go func() {
		fd, err := child.PrepareRootfs(r)
		done <- preparedRoot{fd, err}
	}()
	return done
}

// introduce sends the child its message and waits until it is ready.
func (p *Process) introduce(message []byte, root int, o StartOptions) error {
	if err := p.send(message, root, o); err != nil {
		return err
	}
	if err := p.listen(); err != nil {
		return err
	}
	var err error
	p.StartTime, err = startTime(p.Pid)
	return err
}

// send puts the child into its cgroups and sends it its message.
func (p *Process) send(message []byte, root int, o StartOptions) error {
	for _, file := range o.CgroupProcs {
		if err := os.WriteFile(file, strconv.AppendInt(nil, int64(p.Pid), 10), 0); err != nil {
			return fmt.Errorf("enter cgroup: %w", err)
		}
	}
	var err error
	if root >= 0 {
		err = p.conn.SendFD(wire.Plan, message, root)
	} else {
		err = p.conn.Send(wire.Plan, message)
	}
	if err != nil && !errors.Is(err, unix.EPIPE) { // a child that died meanwhile has said why
		return fmt.Errorf("send the plan: %w", err)
	}
	return nil
}

// errHungUp is a child that closed the conversation.
var errHungUp = errors.New("the container's process ended before it was ready")

// listen takes messages until the child is ready, or has hung up (errHungUp) or failed (*StepError).
func (p *Process) listen() error {
	for {
		kind, data, fd, err := p.conn.Recv()
		if err == io.EOF {
			return errHungUp
		}
		if err != nil {
			return err
		}
		switch kind {
		case wire.Console:
			p.Console = os.NewFile(uintptr(fd), "console")
		case wire.Ready:
			return nil
		case wire.Failed:
			return failure(data)
		default:
			return fmt.Errorf("unexpected message %q from the container's process", kind)
		}
	}
}

func failure(data []byte) error {
	var e StepError
	if err := wire.Unmarshal(data, &e); err != nil {
		return fmt.Errorf("decode a failure: %w", err)
	}
	return &e
}

package raw

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The three hooks that package syscall calls around its own fork. The runtime keeps them linkable (go.dev/issue/67401).

//go:linkname beforeFork syscall.runtime_BeforeFork
func beforeFork()

//go:linkname afterFork syscall.runtime_AfterFork
func afterFork()

//go:linkname afterForkInChild syscall.runtime_AfterForkInChild
func afterForkInChild()

//go:linkname isPollDescriptor internal/poll.IsPollDescriptor
func isPollDescriptor(fd uintptr) bool

// PollFDs gives the descriptors below limit that the Go runtime waits for events with. A script that is played in this process must leave them
// open until its execve: the runtime's own threads use them, and end the process when they are gone.
func PollFDs(limit int) []int {
	var fds []int
	for fd := range limit {
		if isPollDescriptor(uintptr(fd)) {
			fds = append(fds, fd)
		}
	}
	return fds
}

// Forked is a script that plays in a child process.
type Forked struct {
	Pid    int // the caller reaps it
	script *Script
	pipe   int
}

// ReportTo gives the descriptor that the child will report to, for calls that must leave it open: it is closed on exec.
func (s *Script) ReportTo() (int, error) {
	if s.pipe == nil {
		var p [2]int
		if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
			return -1, fmt.Errorf("pipe: %w", err)
		}
		s.pipe = &p
	}
	return s.pipe[1], nil
}

// Start forks with the clone(2) flags and plays the script in the child, which exits when the script ends without an execve:
// with 0 at its end, 1 after a failure. CLONE_VM and CLONE_FILES must not be among the flags: the child is a copy of this process with one
// thread, and both ends of its pipe are closed on our side.
func (s *Script) Start(flags uintptr) (*Forked, error) {
	a := cloneArgs(flags)
	return s.start(syscall.SYS_CLONE, a[0], a[1])
}

// Spawn is Start for a script that executes a program soon: until then this thread waits, and the child has this process's memory instead of a copy
// (vfork(2)), of which every page that is written to later would cost all threads an interrupt. cgroup is an open directory of version 2
// to be born in; negative: the caller's.
func (s *Script) Spawn(flags uintptr, cgroup int) (*Forked, error) {
	flags |= sharedFlags
	if cgroup < 0 {
		return s.Start(flags)
	}
	a := &clone3Args{flags: uint64(flags | unix.CLONE_INTO_CGROUP), exitSignal: uint64(syscall.SIGCHLD), cgroup: uint64(cgroup)}
	defer runtime.KeepAlive(a)
	return s.start(unix.SYS_CLONE3, uintptr(unsafe.Pointer(a)), unsafe.Sizeof(*a))
}

// clone3Args is the kernel's struct clone_args.
type clone3Args struct {
	flags, pidFD, childTID, parentTID, exitSignal, stack, stackSize, tls, setTID, setTIDSize, cgroup uint64
}

// start forks by the system call nr.
func (s *Script) start(nr, a1, a2 uintptr) (*Forked, error) {
	if _, err := s.ReportTo(); err != nil {
		return nil, err
	}
	p := *s.pipe
	rep := &reporter{fd: p[1], rec: new(record)}

	syscall.ForkLock.Lock()
	pid, errno := forkAndPlay(nr, a1, a2, s.calls, rep)
	afterFork()
	syscall.ForkLock.Unlock()
	runtime.KeepAlive(s)
	unix.Close(p[1])
	if errno != 0 {
		unix.Close(p[0])
		return nil, fmt.Errorf("clone: %w", errno)
	}
	return &Forked{Pid: int(pid), script: s, pipe: p[0]}, nil
}

// forkAndPlay is the fork. Everything is declared before beforeFork: after it nothing may be allocated and no stack may grow. The child may have used this
// very stack when the parent comes back to it, which therefore returns at once.
//
//go:noinline
//go:norace
//go:nocheckptr
func forkAndPlay(nr, a1, a2 uintptr, calls []call, rep *reporter) (pid uintptr, errno syscall.Errno) {
	var n int
	beforeFork()
	pid, errno = clone(nr, a1, a2)
	if errno != 0 || pid != 0 {
		return pid, errno
	}
	afterForkInChild()
	n = play(calls, rep)
	if n < len(calls) {
		tell(rep, recordFail, uint32(calls[n].label), uint64(calls[n].errno))
		exit(1)
	}
	exit(0)
	return 0, 0
}

// Outcome is what a forked script reported.
type Outcome struct {
	Pids    []int     // of the children that its Fork calls made, in order
	Results []uintptr // of its Report calls, in order
	Failure *Failure  // nil when it ended, or executed a program
}

// Wait reads the report until the script ended or executed a program. It reaps nothing.
func (f *Forked) Wait() (Outcome, error) {
	defer unix.Close(f.pipe)
	return f.read(-1)
}

// WaitFor reads the report until there are n results, or the script ended. The child goes on; Wait is not called.
func (f *Forked) WaitFor(n int) (Outcome, error) {
	defer unix.Close(f.pipe)
	return f.read(n)
}

func (f *Forked) read(results int) (o Outcome, err error) {
	var buf [unsafe.Sizeof(record{})]byte
	for len(o.Results) != results {
		n, err := unix.Read(f.pipe, buf[:])
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return o, fmt.Errorf("read the fork's report: %w", err)
		case n == 0:
			return o, nil
		case n != len(buf):
			return o, fmt.Errorf("short report of %d bytes from the fork", n)
		}
		f.take(&o, buf[:])
	}
	return o, nil
}

// take adds a record to the outcome.
func (f *Forked) take(o *Outcome, rec []byte) {
	value := binary.NativeEndian.Uint64(rec[8:])
	switch binary.NativeEndian.Uint32(rec) {
	case recordPid:
		o.Pids = append(o.Pids, int(value))
	case recordRet:
		o.Results = append(o.Results, uintptr(value))
	case recordFail:
		o.Failure = &Failure{f.script.labels[binary.NativeEndian.Uint32(rec[4:])], syscall.Errno(value)}
	}
}

// Package raw runs prepared lists of system calls where no Go code may run: in a forked child, and in the last moments before execve.
//
// A Script is built in ordinary Go, with every buffer allocated and every choice made; then it is played, by system calls
// alone, in this thread (Here) or in a child forked without an exec (Start). So the same lines that end a container's birth also
// end an exec, and no Go runtime ever runs inside a container's namespaces.
package raw

import (
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Label says what a call of a Script is for, in a report of its failure.
type Label struct {
	Step, Path string
}

// Failure is a call of a Script that failed, and ended it.
type Failure struct {
	Label
	Errno syscall.Errno
}

// kind says what a call's result means.
type kind uint8

const (
	mustWork kind = iota // a failure ends the script
	mayFail              // a failure is passed over
	search               // execve of one candidate: one that is not there, or not executable, is passed over
	giveUp               // no call: ends the script with ENOENT, after a search
	fork                 // a clone: the child goes on, the parent reports its pid and exits
	report               // as mustWork, and the result is reported to who started the script
	alive                // a look at a socket: at its end nobody waits for us any more, and the process exits
	nonzero              // a read: at the end of file nobody waits for us any more, and the process exits
)

// call is one system call. Playing it writes no Go pointer, so it needs no write barrier; Script.keep keeps alive what args point to.
type call struct {
	nr     uintptr
	args   [6]uintptr
	from   [6]uint16 // when not 0: the argument is the result of the call of that number, counted from 1
	onlyIf uint16    // when not 0: the call is made only if the call of that number failed
	kind   kind
	label  uint16
	check  *byte   // when not nil: must be '/' after the call (getcwd(2))
	save   *uint32 // when not nil: gets the result
	ret    uintptr
	errno  syscall.Errno
}

// Script is a list of system calls. The zero value is empty and ready to use.
type Script struct {
	calls  []call
	labels []Label
	keep   []any // what the arguments point to
	pipe   *[2]int
}

// Result names the result of a call for the calls after it.
type Result uint16

// Label says what the calls from here on are for.
func (s *Script) Label(step, path string) {
	s.labels = append(s.labels, Label{step, path})
}

func (s *Script) add(k kind, nr uintptr, args []uintptr) Result {
	if len(s.labels) == 0 {
		s.Label("", "")
	}
	c := call{nr: nr, kind: k, label: uint16(len(s.labels) - 1)}
	copy(c.args[:], args)
	s.calls = append(s.calls, c)
	return Result(len(s.calls))
}

// Call adds a system call whose failure ends the script.
func (s *Script) Call(nr uintptr, args ...uintptr) Result { return s.add(mustWork, nr, args) }

// MayFail adds a system call whose failure does not matter.
func (s *Script) MayFail(nr uintptr, args ...uintptr) Result { return s.add(mayFail, nr, args) }

// Report adds a system call whose result the one who started the script gets.
func (s *Script) Report(nr uintptr, args ...uintptr) Result { return s.add(report, nr, args) }

// Unless makes the last call conditional: it is made only if the call r failed.
func (s *Script) Unless(r Result) { s.calls[len(s.calls)-1].onlyIf = uint16(r) }

// Use puts the result of r in place of the argument with the number arg, counted from 0, of the last call.
func (s *Script) Use(arg int, r Result) { s.calls[len(s.calls)-1].from[arg] = uint16(r) }

// SendFD adds a sendmsg(2) of the message, with the descriptor that the last call gives, over the socket fd.
func (s *Script) SendFD(fd int, message []byte) {
	rights := unix.UnixRights(0)
	number := &rights[unix.CmsgLen(0)]
	s.calls[len(s.calls)-1].save = (*uint32)(unsafe.Pointer(number))
	iov := &unix.Iovec{Base: &message[0]}
	iov.SetLen(len(message))
	m := &unix.Msghdr{Iov: iov, Control: &rights[0]}
	m.SetIovlen(1)
	m.SetControllen(len(rights))
	s.Call(unix.SYS_SENDMSG, uintptr(fd), s.hold(unsafe.Pointer(m), m), unix.MSG_NOSIGNAL)
}

// Fork adds a clone(2) with SIGCHLD and the flags: what follows is done by the child only. Its pid is reported.
func (s *Script) Fork(flags uintptr) {
	a := cloneArgs(flags)
	s.add(fork, syscall.SYS_CLONE, a[:])
}

// AwaitByte waits for a byte from fd. When the other end is closed instead, the process exits.
func (s *Script) AwaitByte(fd int) {
	b := new([1]byte)
	s.add(nonzero, syscall.SYS_READ, []uintptr{uintptr(fd), s.hold(unsafe.Pointer(b), b), 1})
}

// ExitIfClosed makes the process exit when the other end of the socket fd is closed.
func (s *Script) ExitIfClosed(fd int) {
	b := new([1]byte)
	const flags = syscall.MSG_PEEK | syscall.MSG_DONTWAIT
	s.add(alive, unix.SYS_RECVFROM, []uintptr{uintptr(fd), s.hold(unsafe.Pointer(b), b), 1, flags})
}

// CheckCwd adds a getcwd(2) that fails with ENOENT when the working directory is not below the root: the kernel then
// says "(unreachable)…" (CVE-2024-21626).
func (s *Script) CheckCwd() {
	b := make([]byte, 4096)
	s.add(mustWork, syscall.SYS_GETCWD, []uintptr{s.hold(unsafe.Pointer(&b[0]), b), uintptr(len(b))})
	s.calls[len(s.calls)-1].check = &b[0]
}

// ResetSignals gives every signal its default disposition and unblocks all: ignored and blocked ones outlive execve(2), and hoy may have
// been started by nohup(1) or by a supervisor that blocks some.
func (s *Script) ResetSignals() {
	const sigsetSize = 8
	zero := s.Longs(0, 0, 0, 0, 0) // a struct sigaction with SIG_DFL, and an empty set
	for sig := uintptr(1); sig <= 64; sig++ {
		s.MayFail(syscall.SYS_RT_SIGACTION, sig, zero, 0, sigsetSize)
	}
	const setMask = 2
	s.Call(syscall.SYS_RT_SIGPROCMASK, setMask, zero, 0, sigsetSize)
}

// Exec adds an execve(2) of path, taken as it is.
func (s *Script) Exec(path string, argv, envv []string) {
	s.Call(syscall.SYS_EXECVE, s.String(path), s.vector(argv), s.vector(envv))
}

// Search adds an execve(2) of the first candidate that can be executed; when there is none, the script fails with ENOENT.
func (s *Script) Search(candidates, argv, envv []string) {
	av, ev := s.vector(argv), s.vector(envv)
	for _, c := range candidates {
		s.add(search, syscall.SYS_EXECVE, []uintptr{s.String(c), av, ev})
	}
	s.add(giveUp, 0, nil)
}

// ExecFD adds an execveat(2) of the open file fd.
func (s *Script) ExecFD(fd int, argv, envv []string) {
	const atEmptyPath = 0x1000
	s.Call(sysExecveat, uintptr(fd), s.String(""), s.vector(argv), s.vector(envv), atEmptyPath)
}

// String gives the address of v with a zero byte behind it. Strings with a zero byte inside end there; callers refuse them earlier.
func (s *Script) String(v string) uintptr {
	b := append([]byte(v), 0)
	return s.hold(unsafe.Pointer(&b[0]), b)
}

// Words gives the address of a copy of v, for arrays of ids and other structures of 32-bit words; 0 when v is empty.
func (s *Script) Words(v []uint32) uintptr {
	if len(v) == 0 {
		return 0
	}
	w := append([]uint32(nil), v...)
	return s.hold(unsafe.Pointer(&w[0]), w)
}

// Longs gives the address of a copy of v, for structures of 64-bit words.
func (s *Script) Longs(v ...uint64) uintptr {
	w := append([]uint64(nil), v...)
	return s.hold(unsafe.Pointer(&w[0]), w)
}

// Filter gives the address of a struct sock_fprog for a program of struct sock_filter in native order.
func (s *Script) Filter(program []byte) uintptr {
	p := &sockFprog{len: uint16(len(program) / sizeofSockFilter), filter: unsafe.Pointer(&program[0])}
	return s.hold(unsafe.Pointer(p), p)
}

// vector gives the address of an array of strings as execve(2) takes them.
func (s *Script) vector(v []string) uintptr {
	p := make([]unsafe.Pointer, len(v)+1)
	for i, e := range v {
		b := append([]byte(e), 0)
		p[i] = unsafe.Pointer(&b[0])
	}
	return s.hold(unsafe.Pointer(&p[0]), p)
}

// hold keeps what a pointer points to alive for as long as the script. Go's heap does not move.
func (s *Script) hold(p unsafe.Pointer, v any) uintptr {
	s.keep = append(s.keep, v)
	return uintptr(p)
}

// cloneArgs are clone(2)'s for the flags, without a new stack: the child goes on with a copy of ours.
func cloneArgs(flags uintptr) [2]uintptr {
	flags |= uintptr(syscall.SIGCHLD)
	if runtime.GOARCH == "s390x" { // the first two arguments are swapped there
		return [2]uintptr{0, flags}
	}
	return [2]uintptr{flags, 0}
}

const sizeofSockFilter = 8

type sockFprog struct {
	len    uint16
	filter unsafe.Pointer
}

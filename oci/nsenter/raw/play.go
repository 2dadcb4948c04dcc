package raw

import (
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	sysExecveat = unix.SYS_EXECVEAT

	badCwd = syscall.ENOENT
)

// Here plays the script in the calling thread, which must be locked to its goroutine. It returns only when the script
// ended without an execve: with the failure, or nil at its end.
func (s *Script) Here() *Failure {
	n := play(s.calls, nil)
	runtime.KeepAlive(s)
	if n == len(s.calls) {
		return nil
	}
	c := &s.calls[n]
	return &Failure{s.labels[c.label], c.errno}
}

// record is one line of a forked script's report, written to its pipe.
type record struct {
	kind  uint32
	label uint32
	value uint64
}

const (
	recordPid  = 1 // value: the pid of a forked child
	recordRet  = 2 // value: the result of a Report call
	recordFail = 3 // value: an errno
)

// reporter is where a forked script writes its report: the pipe, and a record that was allocated before the fork.
type reporter struct {
	fd  int
	rec *record
}

// play makes the calls in order and gives the number of the one that failed, or len(calls). It may run in a forked child of a
// process with threads, where nothing but system calls works: no allocation, no growing stack, no lock.
//
//go:norace
//go:nosplit
//go:nocheckptr
func play(calls []call, rep *reporter) int {
	for i := 0; i < len(calls); i++ {
		c := &calls[i]
		if c.onlyIf != 0 && calls[c.onlyIf-1].errno == 0 {
			continue
		}
		if c.kind == giveUp {
			c.errno = syscall.ENOENT
			return i
		}
		for k := 0; k < len(c.args); k++ {
			if c.from[k] != 0 {
				c.args[k] = calls[c.from[k]-1].ret
			}
		}
		c.ret, _, c.errno = syscall.RawSyscall6(c.nr, c.args[0], c.args[1], c.args[2], c.args[3], c.args[4], c.args[5])
		if c.save != nil {
			*c.save = uint32(c.ret)
		}
		if !settle(c, rep) {
			return i
		}
	}
	return len(calls)
}

// settle says whether the script goes on after c.
//
//go:norace
//go:nosplit
//go:nocheckptr
func settle(c *call, rep *reporter) bool {
	switch c.kind {
	case mayFail:
		return true
	case search:
		// What exec.LookPath passes over, so that a name that is nowhere in PATH is "not found" as Docker says it.
		return c.errno == syscall.ENOENT || c.errno == syscall.ENOTDIR || c.errno == syscall.EACCES
	case alive:
		if c.errno == 0 && c.ret == 0 {
			exit(1)
		}
		return true
	case nonzero:
		if c.errno != 0 || c.ret == 0 {
			exit(1)
		}
		return true
	case fork:
		if c.errno == 0 && c.ret != 0 {
			tell(rep, recordPid, uint32(c.label), uint64(c.ret))
			exit(0)
		}
	case report:
		if c.errno == 0 {
			tell(rep, recordRet, uint32(c.label), uint64(c.ret))
		}
	}
	if c.errno == 0 && c.check != nil && *c.check != '/' {
		c.errno = badCwd
	}
	return c.errno == 0
}

//go:norace
//go:nosplit
func tell(rep *reporter, kind, label uint32, value uint64) {
	if rep == nil {
		return
	}
	rep.rec.kind, rep.rec.label, rep.rec.value = kind, label, value
	syscall.RawSyscall(syscall.SYS_WRITE, uintptr(rep.fd), uintptr(unsafe.Pointer(rep.rec)), unsafe.Sizeof(*rep.rec))
}

//go:norace
//go:nosplit
func exit(code uintptr) {
	for {
		syscall.RawSyscall(syscall.SYS_EXIT_GROUP, code, 0, 0)
	}
}

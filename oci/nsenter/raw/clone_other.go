//go:build !amd64

package raw

import "syscall"

// sharedFlags are none: a child in the same memory would need a clone in assembly.
const sharedFlags = 0

// clone makes the system call nr, a clone of any kind.
//
//go:nosplit
//go:norace
func clone(nr, a1, a2 uintptr) (pid uintptr, errno syscall.Errno) {
	pid, _, errno = syscall.RawSyscall6(nr, a1, a2, 0, 0, 0, 0)
	return pid, errno
}

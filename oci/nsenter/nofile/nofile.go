// Package nofile remembers how many files this process was allowed to open before the Go runtime raised that limit.
//
// Package syscall raises the soft RLIMIT_NOFILE to the hard one in its initialiser, remembers the old value for its own
// StartProcess and Exec, and shows it to nobody. A container started by a bare execve(2) would inherit the raised limit, which
// breaks programs that use select(2) and makes those slow that close every possible descriptor. This package imports nothing
// but unsafe, so Go initialises it before package syscall (import paths in order, as soon as their imports are ready).
package nofile

import "unsafe"

// Limit is the pair that getrlimit(2) gave at start-up.
type Limit struct {
	Soft, Hard uint64
}

// Original is the limit of open files that this process was started with; zero when it could not be read.
var Original = read()

// rawSyscall6 is syscall.RawSyscall6, by its name only: importing syscall would initialise it first.
//
//go:linkname rawSyscall6 syscall.RawSyscall6
func rawSyscall6(nr, a1, a2, a3, a4, a5, a6 uintptr) (r1, r2, errno uintptr)

func read() Limit {
	const rlimitNofile = 7
	var l Limit
	if _, _, errno := rawSyscall6(sysPrlimit64, 0, rlimitNofile, 0, uintptr(unsafe.Pointer(&l)), 0, 0); errno != 0 {
		return Limit{}
	}
	return l
}

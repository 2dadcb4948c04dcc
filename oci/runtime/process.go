// Package runtime is the parent's side of a container: it starts the child, tells it to go, signals it and learns how it ended.
//
// It imports the standard library and golang.org/x/sys only, because the monitor that calls it runs before any wide library is initialised.
package runtime

import (
	"os"
	"syscall"
)

// StartOptions says what a new process gets from its parent.
type StartOptions struct {
	// Stdin, Stdout and Stderr become descriptors 0, 1 and 2; nil means /dev/null. They are ignored with a terminal.
	// A terminal of the caller's must not be given (TIOCSTI, CVE-2017-5226): put pipes between.
	Stdin, Stdout, Stderr *os.File
	KillWithParent        bool       // the process is killed when the caller dies (PR_SET_PDEATHSIG)
	CgroupProcs           []string   // cgroup.procs and tasks files that get the pid before the first step (cgroup v1)
	CgroupFD              *os.File   // directory of a v2 cgroup to be born in (CLONE_INTO_CGROUP)
	ExtraFiles            []*os.File // become descriptors 3, 4, …; Plan.KeepFDs or ExecPlan.KeepFDs must count them
}

// Process is a container's first process, or one that was executed in a container. Its methods are for the process that
// started it; any other names it by Ref.
type Process struct {
	Pid       int
	StartTime uint64   // in clock ticks since boot, as /proc/PID/stat says; with Pid and boot id it names the process for ever
	Pidfd     *os.File // nil where the kernel has none (before 5.3)
	Console   *os.File // the pseudo-terminal's master with Terminal, else nil; the caller closes it

	control *os.File      // the socket to the child, nil after Go
	release chan struct{} // closed when the thread that the child's PDEATHSIG hangs on may end; nil without one
}

// ExitStatus is how a process ended.
type ExitStatus struct {
	Code   int            // the exit code, or 128 + the signal's number
	Signal syscall.Signal // 0 when the process exited by itself
}

// Package runtime is the parent's side of a container: it starts the child, tells it to go, signals it and learns how it ended.
//
// It imports the standard library and golang.org/x/sys only, because the monitor that calls it runs before any wide library is initialised.
package runtime

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"codeberg.org/hoy/hoy/oci/child"
	"codeberg.org/hoy/hoy/oci/child/wire"
	"codeberg.org/hoy/hoy/oci/userns"
	"golang.org/x/sys/unix"
)

// StartOptions says what a new process gets from its parent.
type StartOptions struct {
	// Stdin, Stdout and Stderr become descriptors 0, 1 and 2; nil means /dev/null. They are ignored with a terminal.
	// A terminal of the caller's must not be given (TIOCSTI, CVE-2017-5226): put pipes between.
	Stdin, Stdout, Stderr *os.File
	KillWithParent        bool       // the process is killed when the caller dies (PR_SET_PDEATHSIG)
	CgroupProcs           []string   // cgroup.procs of the version 1 groups that it is in before the first step
	CgroupFD              *os.File   // directory of a v2 cgroup to be born in (CLONE_INTO_CGROUP)
	ExtraFiles            []*os.File // become descriptors 3, 4, …; Plan.KeepFDs or ExecPlan.KeepFDs must count them

	// Sealed is the executable that the child is started from, and stays the caller's; nil: it is sealed now.
	Sealed *Sealed
	// Ahead is the process that Start takes when it is as the plan wants it; nil: there is none.
	Ahead *Ahead
	// Born is told of the process when it has a pid and before it has done anything; its error ends the process.
	Born func(*Process) error
	// Hooks runs those of the plan's hooks that are not the child's, when the container is mounted, and gives the state for the others. It must be set for a plan with hooks.
	Hooks func(*Process) ([]byte, error)
	// Notify takes the listener of a plan's filter that notifies somebody. It must be set for such a plan.
	Notify func(*os.File) error
	// Listener is a listening Unix socket and Mark a locked file. With them the process is not the caller's to let go: it waits, after Leave, for who
	// connects (Release), and holds the mark until its command runs.
	Listener, Mark *os.File
}

// Process is a container's first process, or one that was executed in a container. Its methods are for the process that
// started it; any other names it by Ref.
type Process struct {
	Pid       int
	StartTime uint64   // in clock ticks since boot, as /proc/PID/stat says; with Pid and boot id it names the process for ever
	Pidfd     *os.File // nil where the kernel has none (before 5.3)
	Console   *os.File // the pseudo-terminal's master with Terminal, else nil; the caller closes it

	ahead    bool        // it was started before its stdio was known
	unmapped bool        // it was born in a user namespace that had no ids
	ids      *userns.Map // that it was given
	conn     wire.Conn   // to the child; FD is -1 after Go
	notify   func(*os.File) error
	release  chan struct{} // closed when the thread that the child's PDEATHSIG hangs on may end; nil without one
}

// StepError is the failure of one step of a container's birth or of an exec. Its text is "step: path: reason".
type StepError = child.StepError

// ExitStatus is how a process ended.
type ExitStatus struct {
	Code   int            // the exit code, or 128 + the signal's number
	Signal syscall.Signal // 0 when the process exited by itself
}

// Go lets the container's command run. It returns once the command was executed; a *StepError means that it was not
// (a late step failed, or there is no such command), and then the process has already been reaped. After Exec it does nothing.
func (p *Process) Go() error { return p.GoWith(nil) }

// GoWith is Go for a plan with hooks, which get the state.
func (p *Process) GoWith(state []byte) error {
	if p.conn.FD < 0 {
		return nil
	}
	defer p.hangUp()
	if err := p.conn.Send(wire.Go, state); err != nil && !errors.Is(err, unix.EPIPE) {
		p.Kill()
		return fmt.Errorf("let the container run: %w", err)
	}
	err := p.listen(nil)
	if err == errHungUp { // by execve, or by the child's death, which Wait tells
		return nil
	}
	p.Kill()
	return err
}

// Leave hands a process with a Listener over to who connects to that. Until then the caller's death is the process's.
func (p *Process) Leave() error {
	defer p.hangUp()
	if err := p.conn.Send(wire.Leave, nil); err != nil {
		return fmt.Errorf("leave the container: %w", err)
	}
	return nil
}

// Release lets the command run of a container that somebody else created: conn is connected to its Listener. It returns once the command was
// executed; a *StepError means that it was not. notify is StartOptions.Notify.
func Release(conn *os.File, state []byte, notify func(*os.File) error) error {
	p := &Process{conn: wire.Conn{FD: int(conn.Fd())}, notify: notify}
	if err := p.conn.Send(wire.Go, state); err != nil {
		return fmt.Errorf("let the container run: %w", err)
	}
	if err := p.listen(nil); err != errHungUp {
		return err
	}
	return nil
}

// Wait waits until the process ends and reaps it. It is called once.
func (p *Process) Wait() (ExitStatus, error) {
	defer p.close()
	var ws syscall.WaitStatus
	for {
		_, err := syscall.Wait4(p.Pid, &ws, 0, nil)
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return ExitStatus{}, fmt.Errorf("wait for process %d: %w", p.Pid, err)
		}
		if ws.Signaled() {
			return ExitStatus{128 + int(ws.Signal()), ws.Signal()}, nil
		}
		return ExitStatus{Code: ws.ExitStatus()}, nil
	}
}

// Kill ends the process, whatever it does, and reaps it. It is for a process that Wait is not called on.
func (p *Process) Kill() {
	_ = p.Signal(syscall.SIGKILL)
	_, _ = p.Wait()
}

// discard ends a process that never came to run its command.
func (p *Process) discard() {
	if p.Console != nil {
		p.Console.Close()
		p.Console = nil
	}
	if p.Pid == 0 {
		p.close()
		return
	}
	p.Kill()
}

// hangUp ends the conversation with the child.
func (p *Process) hangUp() {
	if p.conn.FD >= 0 {
		p.conn.Close()
		p.conn.FD = -1
	}
}

// close lets go of all that is held for a process that has been reaped.
func (p *Process) close() {
	p.hangUp()
	if p.Pidfd != nil {
		p.Pidfd.Close()
	}
	if p.release != nil {
		close(p.release)
		p.release = nil
	}
}

package runtime

import (
	"fmt"
	"io"
	"os"
	"syscall"

	"codeberg.org/hoy/hoy/oci/child/wire"
	"codeberg.org/hoy/hoy/oci/nsenter"
	"golang.org/x/sys/unix"
)

// ExecPlan is one more process in a running container: what it joins and what it becomes.
type ExecPlan = nsenter.Plan

// Exec runs one more process in a container and returns once its command was executed. A *StepError says which part of joining
// failed; its ExitCode is 127 or 126 when it was the command itself. Console, Wait and Signal work as with Start; Go need not be called.
// The process inherits the cgroup in o, or, when o names none, the caller's.
func Exec(p *ExecPlan, o StartOptions) (*Process, error) {
	ref := Ref{Pid: p.Pid, StartTime: p.StartTime, BootID: BootID()}
	if ref.StartTime == 0 {
		var err error
		if ref.StartTime, err = startTime(p.Pid); err != nil {
			return nil, err
		}
	}
	pidfd, err := ref.Open()
	if err != nil {
		return nil, fmt.Errorf("container's process %d: %w", p.Pid, err)
	}
	defer pidfd.Close()
	o.ExtraFiles = append([]*os.File{pidfd}, o.ExtraFiles...)
	helper, err := (&clone{role: nsenter.Role, terminal: p.Terminal}).start(o)
	if err != nil {
		return nil, err
	}
	return helper.become(wire.Marshal(nsenter.Start{Plan: p, KillWithParent: o.KillWithParent}), o)
}

// become lets hoy-exec, which p is, make the process, and then is that process. hoy-exec and what it forked on the way have been reaped by then.
func (p *Process) become(message []byte, o StartOptions) (*Process, error) {
	pids, err := p.enter(message, o)
	if err != nil {
		_ = p.Signal(syscall.SIGKILL)
	}
	made := &Process{Pid: pids.Process, Console: p.Console, conn: wire.Conn{FD: -1}, release: p.release}
	p.release = nil // the thread is the process's now
	if _, waitErr := p.Wait(); err == nil {
		err = waitErr
	}
	if pids.Fork != 0 {
		_, _ = syscall.Wait4(pids.Fork, nil, 0, nil)
	}
	if err == nil {
		made.StartTime, err = startTime(made.Pid)
	}
	if err == nil {
		made.Pidfd, err = openPidfd(made.Pid)
	}
	if err != nil {
		made.discard()
		return nil, err
	}
	return made, nil
}

// enter sends the plan and listens until hoy-exec hangs up.
func (p *Process) enter(message []byte, o StartOptions) (pids nsenter.Pids, err error) {
	if err := p.send(message, -1, o); err != nil {
		return pids, err
	}
	for {
		kind, data, fd, err := p.conn.Recv()
		switch {
		case err == io.EOF && pids.Process == 0:
			return pids, errHungUp
		case err == io.EOF:
			return pids, nil
		case err != nil:
			return pids, err
		}
		switch kind {
		case wire.Console:
			p.Console = os.NewFile(uintptr(fd), "console")
		case wire.Notify:
			if err := p.notified(fd); err != nil {
				return pids, err
			}
		case wire.Pids:
			if err := wire.Unmarshal(data, &pids); err != nil {
				return pids, fmt.Errorf("decode pids: %w", err)
			}
		case wire.Failed:
			return pids, failure(data)
		default:
			return pids, fmt.Errorf("unexpected message %q from %s", kind, nsenter.Role)
		}
	}
}

func openPidfd(pid int) (*os.File, error) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return nil, fmt.Errorf("pidfd of %d: %w", pid, err)
	}
	return os.NewFile(uintptr(fd), "pidfd"), nil
}

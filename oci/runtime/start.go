package runtime

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

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
	c := clone{role: child.Role, flags: p.Clone &^ unix.CLONE_NEWCGROUP, pidns: pidns, terminal: p.Terminal}
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

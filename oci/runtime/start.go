package runtime

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

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
	if o.Listener != nil {
		o.ExtraFiles = append(slices.Clip(o.ExtraFiles), o.Listener, o.Mark)
	}
	c, err := cloneFor(p, o)
	if err != nil {
		return nil, err
	}
	defer c.close()
	if c.seats != nil {
		o.CgroupProcs = nil
	}
	proc, made, err := c.begin(p, o)
	defer made.close()
	if proc == nil {
		return nil, err
	}
	if err == nil {
		err = made.err
	}
	if err == nil {
		err = proc.introduce(p, made, o)
	}
	if err != nil {
		proc.discard()
		return nil, err
	}
	return proc, nil
}

// cloneFor is how the process of a plan is started. The caller closes what it opens.
func cloneFor(p *child.Plan, o StartOptions) (c *clone, err error) {
	c = &clone{role: child.Role, flags: p.Clone &^ unix.CLONE_NEWCGROUP, terminal: p.Terminal, seats: openSeats(o.CgroupProcs)}
	if c.pidns, err = openPidns(p.Join); err == nil && p.Userns != nil {
		err = c.getInside(p, o)
	}
	if c.flags&unix.CLONE_NEWTIME != 0 && (len(p.TimeOffsets) > 0 || c.userns != nil) { // clone(2), which joins a user namespace, has no flag for it
		c.flags, c.clocks = c.flags&^unix.CLONE_NEWTIME, append([]string{}, p.TimeOffsets...)
	}
	if err != nil {
		c.close()
	}
	return c, err
}

// close lets go of what is open for a start.
func (c *clone) close() {
	c.seats.close()
	c.pidns.Close() // of none it does nothing
	c.userns.Close()
}

// begin starts the process, and makes what the parent makes for it: meanwhile or, when that is made with the ids of the user namespace in which the
// process is born, after it.
func (c *clone) begin(p *child.Plan, o StartOptions) (proc *Process, made prepared, err error) {
	born := c.flags&unix.CLONE_NEWUSER != 0
	var root <-chan prepared
	if born {
		c.give(o)
	} else {
		root = prepare(p, c.userns)
	}
	if proc = o.Ahead.take(c, o); proc == nil {
		proc, err = c.start(o)
	}
	if born && err == nil {
		var ns *os.File
		if ns, err = proc.userns(c.ids); err == nil {
			defer ns.Close()
			root = prepare(p, ns)
		}
	}
	if root == nil {
		return proc, noRoot, err
	}
	return proc, <-root, err
}

// prepared is what the parent makes for the child.
type prepared struct {
	fd    int // the root as a detached mount; -1 when the child has to make it itself
	given []child.Opened
	err   error
}

// noRoot is nothing.
var noRoot = prepared{fd: -1}

func (m prepared) close() {
	if m.fd >= 0 {
		unix.Close(m.fd)
	}
	for _, g := range m.given {
		g.File.Close()
	}
}

// prepare makes the root while the child is being cloned and executed: each takes about a millisecond.
func prepare(p *child.Plan, ns *os.File) <-chan prepared {
	done := make(chan prepared, 1)
	go func() {
		var made prepared
		made.fd, made.err = child.PrepareRootfs(p, ns)
		if made.err == nil {
			made.given, made.err = child.OpenGiven(p, ns, made.fd)
		}
		done <- made
	}()
	return done
}

// introduce sends the child its plan and what was made for it, and waits until it is ready.
func (p *Process) introduce(plan *child.Plan, made prepared, o StartOptions) error {
	var err error
	if p.StartTime, err = startTime(p.Pid); err != nil {
		return err
	}
	if o.Born != nil {
		if err := o.Born(p); err != nil {
			return err
		}
	}
	start := child.Start{Plan: plan, KillWithParent: o.KillWithParent, Listener: o.Listener != nil, Unmapped: p.unmapped}
	var files []*os.File
	for i, f := range []*os.File{o.Stdin, o.Stdout, o.Stderr} {
		if p.ahead && f != nil && !plan.Terminal {
			start.Stdio, files = append(start.Stdio, i), append(files, f)
		}
	}
	for _, g := range made.given {
		start.Given = append(start.Given, g.Given)
	}
	message := wire.Marshal(start)
	if err := p.send(message, made.fd, o); err != nil {
		return err
	}
	for _, g := range made.given {
		files = append(files, g.File)
	}
	for _, f := range files {
		if err := p.conn.SendFD(wire.Source, nil, int(f.Fd())); err != nil && !errors.Is(err, unix.EPIPE) {
			return fmt.Errorf("send a descriptor: %w", err)
		}
	}
	return p.listen(o.Hooks)
}

// send puts the child into its cgroups and sends it its message.
func (p *Process) send(message []byte, root int, o StartOptions) error {
	if err := enterGroups(p.Pid, o.CgroupProcs); err != nil {
		return err
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
func (p *Process) listen(hooks func(*Process) ([]byte, error)) error {
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
		case wire.Hooks:
			state, err := hooks(p)
			if err != nil {
				return err
			}
			if err := p.conn.Send(wire.Go, state); err != nil {
				return fmt.Errorf("let the container go on: %w", err)
			}
		case wire.Notify:
			if err := p.notified(fd); err != nil {
				return err
			}
		case wire.Ready:
			return nil
		case wire.Failed:
			return failure(data)
		default:
			return fmt.Errorf("unexpected message %q from the container's process", kind)
		}
	}
}

// notified passes the listener of the child's filter on.
func (p *Process) notified(fd int) error {
	listener := os.NewFile(uintptr(fd), "seccompFd")
	defer listener.Close()
	return p.notify(listener)
}

func failure(data []byte) error {
	var e StepError
	if err := wire.Unmarshal(data, &e); err != nil {
		return fmt.Errorf("decode a failure: %w", err)
	}
	return &e
}

package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"codeberg.org/hoy/hoy/engine/monitor"
)

// Start starts a created or exited container; one that runs already is no error. Detached, it returns once the process runs; attached
// or in the foreground it returns the container's exit code when it ended, or ErrDetached. ctx and signals may end the start; what
// runs they do not end. An error's exit code is ExitCode(err): 125, 126, 127. After an error a container with AutoRemove is gone.
func (e *Engine) Start(ctx context.Context, c *Container, o StartOptions) (code int, err error) {
	if err := c.usable(); err != nil {
		return 0, err
	}
	if e.o.Outside {
		return 0, ErrNeedsUserns
	}
	if c.lease == nil {
		if err := e.Reach(&c.Config); err != nil {
			return 0, err
		}
		running, err := e.takeLease(ctx, c)
		if err != nil {
			return 0, err
		}
		if running {
			return e.startRunning(ctx, c, o)
		}
	}
	if len(o.Attach) > 0 {
		e.happened(c, "attach")
	}
	settings, err := e.settings(c, o)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return 0, e.abandon(c, err)
	}
	lock := c.lease
	c.lease, c.network = nil, nil
	if o.Foreground && o.SigProxy && !settings.Plan.Terminal {
		f := monitor.ForegroundOptions{In: o.In, Out: o.Out, Err: o.Err, Kept: o.Kept}
		if p := o.Ahead; p != nil {
			f.Sealed, f.Ahead = p.Sealed, p.Ahead
		}
		return monitor.Foreground(ctx, settings, lock, f)
	}
	return e.background(ctx, c, startOf{settings, lock, o})
}

// patience is how long a start waits for a command that holds the container for a moment: `cp` of one that does not run.
const patience = 10 * time.Second

// takeLease takes the lock of a container that is to be started; it says whether it runs already instead.
func (e *Engine) takeLease(ctx context.Context, c *Container) (running bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	lock, now, err := e.restLock(ctx, c)
	if errors.Is(err, context.DeadlineExceeded) {
		return false, fmt.Errorf("container %s: %w", c.Name(), monitor.ErrLocked)
	}
	if err != nil {
		return false, err
	}
	if now != nil {
		*c = *now
		return true, nil
	}
	s, err := monitor.ReadState(c.place)
	if err == nil && s.Process != nil && s.Process.Alive() { // it runs, and its monitor was killed
		c.setState(s, StatusRunning)
		return true, monitor.Adopt(c.place, lock)
	}
	if nothing := resuming(c) && !s.Again.Pending(); err != nil || nothing { // another has started it, or a user wants it no more
		monitor.RemoveRunDir(c.place)
		lock.Close()
		return nothing, err
	}
	c.lease = lock
	return false, nil
}

// startRunning is `start` of what runs: nothing to do, or attach.
func (e *Engine) startRunning(ctx context.Context, c *Container, o StartOptions) (int, error) {
	if len(o.Attach) == 0 {
		return 0, nil
	}
	return e.Attach(ctx, c, AttachOptions{
		Streams:    o.Streams,
		NoStdin:    !slices.Contains(o.Attach, "stdin"),
		DetachKeys: o.DetachKeys,
		SigProxy:   o.SigProxy,
	})
}

// abandon gives up a start that did not come to a monitor, and gives the reason.
func (e *Engine) abandon(c *Container, reason error) error {
	err := e.leave(c, c.network)
	c.network = nil
	if c.Config.AutoRemove {
		err = monitor.Erase(c.place, e.anonymousVolumes(c))
	} else if s, readErr := monitor.ReadState(c.place); readErr == nil {
		s.ExitCode, s.Error, s.Again = ExitCode(reason), reason.Error(), nil // as in Docker: a policy gives up on what cannot be started
		err = monitor.WriteState(c.place, s, monitor.Fleeting)
	}
	monitor.RemoveRunDir(c.place)
	c.lease.Close()
	c.lease = nil
	return errors.Join(reason, err)
}

// startOf is one start by a background monitor.
type startOf struct {
	settings *monitor.Settings
	lock     *os.File
	o        StartOptions
}

// background starts the container through a background monitor, and is its first client.
func (e *Engine) background(ctx context.Context, c *Container, s startOf) (int, error) {
	if err := monitor.WriteSettings(s.settings); err != nil {
		c.lease = s.lock
		s.settings.Network.Close() // its next look takes it off its networks
		return 0, e.abandon(c, err)
	}
	t := newTerminal(s.o.Streams, c.Config.Tty)
	client, err := monitor.Spawn(s.settings, s.lock, streamSet(s.o.Attach), t.size())
	if err != nil {
		return 0, err
	}
	defer client.Close()
	if err := waitStarted(ctx, client); err != nil {
		return 0, err
	}
	if len(s.o.Attach) == 0 {
		return 0, nil
	}
	a := attachment{
		client:   client,
		streams:  s.o.Streams,
		want:     streamSet(s.o.Attach),
		terminal: t,
		keys:     s.o.DetachKeys,
		tty:      c.Config.Tty,
	}
	if s.o.SigProxy {
		a.signal = func(sig syscall.Signal) { e.signal(c, sig) }
	}
	code, err := a.run()
	if errors.Is(err, ErrDetached) {
		e.happened(c, "detach")
	}
	return code, err
}

// waitStarted waits until the container runs. A signal or the end of ctx before that undoes the start: the monitor sees that its client
// has gone.
func waitStarted(ctx context.Context, client *monitor.Client) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM)
	defer stop()
	closed := context.AfterFunc(ctx, func() { client.Close() })
	defer closed()
	err := client.WaitStarted()
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

func streamSet(names []string) monitor.Streams {
	var set monitor.Streams
	for i, name := range []string{"stdin", "stdout", "stderr"} {
		if slices.Contains(names, name) {
			set |= 1 << i
		}
	}
	return set
}

// ExitCode is Docker's exit code for an error of Start and Exec: 126 what cannot be executed, 127 what does not exist, else 125.
func ExitCode(err error) int {
	var coded interface{ ExitCode() int }
	if errors.As(err, &coded) {
		return coded.ExitCode()
	}
	return 125
}

package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"codeberg.org/hoy/hoy/engine/monitor"
)

const (
	defaultStopTimeout = 10 * time.Second
	// killTimeout is how long SIGKILL may take: a process in an uninterruptible wait takes as long as that.
	killTimeout = 10 * time.Second
	killTries   = 6
)

// Stop sends the stop signal, waits, and sends SIGKILL after the timeout; the container's restart policy does not start it again. A container
// that does not run is no error.
func (e *Engine) Stop(ctx context.Context, c *Container, o StopOptions) error {
	if err := c.usable(); err != nil {
		return err
	}
	if !c.Running() && !c.Restarting() {
		return nil
	}
	name := o.Signal
	if name == "" {
		name = c.Config.StopSignal
	}
	sig, err := parseSignal(name, syscall.SIGTERM)
	if err != nil {
		return err
	}
	end := ending{sig, stopTimeout(c, o), o.restart}
	err = e.end(ctx, c, end)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		err = e.kill(ctx, c, o.restart)
	}
	if err != nil {
		return fmt.Errorf("cannot stop container: %s: %w", c.Name(), err)
	}
	e.happened(c, "stop")
	return nil
}

// Restart stops a container and starts it again, detached, running or not.
func (e *Engine) Restart(ctx context.Context, c *Container, o StopOptions, s Streams) error {
	if err := e.Reach(&c.Config); err != nil {
		return err
	}
	// One with --rm would be gone: its monitor starts it again itself.
	o.restart = c.Config.AutoRemove && c.Running()
	if err := e.Stop(ctx, c, o); err != nil {
		return err
	}
	if o.restart {
		_, err := e.WaitFor(ctx, c, []string{"running"})
		if err == nil {
			e.happened(c, "restart")
		}
		return err
	}
	c, err := e.Find(c.ID())
	if err != nil {
		return err
	}
	if _, err := e.Start(ctx, c, StartOptions{Streams: s}); err != nil {
		return err
	}
	e.happened(c, "restart")
	return nil
}

// stopTimeout is how long the stop signal may take; negative: as long as it likes.
func stopTimeout(c *Container, o StopOptions) time.Duration {
	switch {
	case o.Timeout != nil:
		return time.Duration(*o.Timeout) * time.Second
	case c.Config.StopTimeout != nil:
		return time.Duration(*c.Config.StopTimeout) * time.Second
	}
	return defaultStopTimeout
}

// Kill sends a signal by name or number ("": SIGKILL); ErrNotRunning. After SIGKILL it returns when the container has ended. As in Docker the
// restart policy takes the end of a container for wanted after any signal, but one that has a stop signal of its own after that and SIGKILL alone.
func (e *Engine) Kill(c *Container, signal string) error {
	if err := c.usable(); err != nil {
		return err
	}
	sig, err := parseSignal(signal, syscall.SIGKILL)
	if err != nil {
		return err
	}
	own, err := parseSignal(c.Config.StopSignal, sig)
	if err != nil {
		return err
	}
	switch {
	case !c.Running() && !c.Restarting():
		return fmt.Errorf("cannot kill container: %s: container %s is not running%w", c.Name(), c.ID(), hidden{ErrNotRunning})
	case sig == syscall.SIGKILL || c.Restarting():
		err = e.kill(context.Background(), c, false)
	default:
		if err = monitor.MarkStopped(c.place, sig == own); err == nil {
			err = c.deliver(sig)
			e.signalled(c, sig)
		}
	}
	if err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("cannot kill container: %s: %w", c.Name(), err)
	}
	return nil
}

// ending says how a container is ended.
type ending struct {
	signal  syscall.Signal
	timeout time.Duration // how long that may take; negative: as long as it likes
	restart bool          // its monitor starts it again, and does not remove it
}

func (o *ending) mark(p monitor.Place) error {
	if o.restart {
		return monitor.MarkRestart(p)
	}
	return monitor.MarkStopped(p, true)
}

// errNoExit is Docker's.
var errNoExit = errors.New("tried to kill container, but did not receive an exit event")

// kill ends a container by SIGKILL. It gives up on a process that does not die, but not on a busy machine on which its end is slow to be recorded.
func (e *Engine) kill(ctx context.Context, c *Container, restart bool) error {
	for range killTries {
		err := e.end(ctx, c, ending{syscall.SIGKILL, killTimeout, restart})
		if !errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
			return err
		}
		if now, err := e.load(c.ID()); err == nil && now.process != nil && now.process.Alive() {
			break
		}
	}
	return errNoExit
}

// end sends a signal and waits until the container has ended, for good, and its monitor has recorded that; context.DeadlineExceeded.
func (e *Engine) end(ctx context.Context, c *Container, o ending) error {
	if o.timeout >= 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.timeout)
		defer cancel()
	}
	for {
		if err := e.endRun(ctx, c, o); err != nil || o.restart {
			return err
		}
		now, err := e.load(c.ID())
		if errors.Is(err, ErrNoContainer) || err == nil && !now.Running() && !now.Restarting() {
			return nil
		}
		if err == nil { // it was just being started again, by a process that the mark has not reached
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
	}
}

// endRun ends what the container does now. The mark comes before everything else: whatever the container does until the signal is sent, its monitor
// does not start it again.
func (e *Engine) endRun(ctx context.Context, c *Container, o ending) error {
	if err := o.mark(c.place); err != nil && !errors.Is(err, os.ErrNotExist) { // its run directory is gone: so is what ran
		return err
	}
	w, err := e.watch(c) // before the signal, so that the end is not missed
	if err != nil {
		return err
	}
	defer w.close()
	now, err := e.load(c.ID())
	if err == nil && now.Running() {
		if err = w.taken(ctx); err == nil {
			now, err = e.load(c.ID())
		}
	}
	switch {
	case errors.Is(err, ErrNoContainer):
		return nil
	case err != nil:
		return err
	case now.Restarting():
		err = w.cancel(ctx)
	case now.Running():
		e.signalled(now, o.signal)
		if err := now.deliver(o.signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			return err
		}
		w.c = now
		_, err = w.wait(ctx)
	}
	var failed *monitor.Failure
	if errors.As(err, &failed) { // a start that the mark has ended
		return nil
	}
	return err
}

// Wait blocks until the container has ended, and returns its exit code. Of one that does not run it is that of its last run.
func (e *Engine) Wait(ctx context.Context, c *Container) (code int, err error) {
	if err := c.usable(); err != nil {
		return 0, err
	}
	if !c.Running() && !c.Restarting() {
		return c.State.ExitCode, nil
	}
	w, err := e.watch(c)
	if err != nil {
		return 0, err
	}
	defer w.close()
	return w.wait(ctx)
}

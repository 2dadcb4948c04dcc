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
)

// Stop sends the stop signal, waits, and sends SIGKILL after the timeout. A container that does not run is no error.
func (e *Engine) Stop(ctx context.Context, c *Container, o StopOptions) error {
	if err := c.usable(); err != nil {
		return err
	}
	if !c.Running() {
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
	err = e.end(ctx, c, sig, stopTimeout(c, o))
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		err = e.end(ctx, c, syscall.SIGKILL, killTimeout)
	}
	if err != nil {
		return fmt.Errorf("cannot stop container: %s: %w", c.Name(), err)
	}
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

// Kill sends a signal by name or number ("": SIGKILL); ErrNotRunning. After SIGKILL it returns when the container has ended.
func (e *Engine) Kill(c *Container, signal string) error {
	if err := c.usable(); err != nil {
		return err
	}
	sig, err := parseSignal(signal, syscall.SIGKILL)
	if err != nil {
		return err
	}
	if !c.Running() {
		return fmt.Errorf("cannot kill container: %s: container %s is not running%w", c.Name(), c.ID(), hidden{ErrNotRunning})
	}
	if sig == syscall.SIGKILL {
		err = e.end(context.Background(), c, sig, killTimeout)
	} else {
		err = c.deliver(sig)
	}
	if err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("cannot kill container: %s: %w", c.Name(), err)
	}
	return nil
}

// end sends a signal and waits until the container has ended and its monitor has recorded that; context.DeadlineExceeded.
func (e *Engine) end(ctx context.Context, c *Container, sig syscall.Signal, timeout time.Duration) error {
	if timeout >= 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	w, err := e.watch(c) // before the signal, so that the end is not missed
	if err != nil {
		return err
	}
	defer w.close()
	if err := c.deliver(sig); err != nil && !errors.Is(err, syscall.ESRCH) {
		return err
	}
	_, err = w.wait(ctx)
	return err
}

// watch is a connection that learns of a container's end.
type watch struct {
	e      *Engine
	c      *Container
	client *monitor.Client // nil: there is no monitor that could say it
}

func (e *Engine) watch(c *Container) (*watch, error) {
	client, err := monitor.Dial(c.place, 0, monitor.Size{})
	if err != nil && !errors.Is(err, monitor.ErrGone) {
		return nil, err
	}
	return &watch{e, c, client}, nil
}

func (w *watch) close() {
	if w.client != nil {
		w.client.Close()
	}
}

// wait waits for the container's end and gives its exit code. A monitor that is killed meanwhile does not keep it from learning that.
func (w *watch) wait(ctx context.Context) (int, error) {
	if w.client != nil {
		stop := context.AfterFunc(ctx, func() { w.client.SetDeadline(time.Unix(1, 0)) })
		code, err := w.client.WaitExit()
		stop()
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return 0, ctx.Err()
		}
		if !errors.Is(err, monitor.ErrGone) {
			return code, err
		}
	}
	return w.unwatched(ctx)
}

// unwatched waits for the process itself, and for whoever then holds the container's lock to record its end.
func (w *watch) unwatched(ctx context.Context) (int, error) {
	if pidfd, err := w.c.process.Open(); err == nil {
		err = monitor.WaitProcess(ctx, pidfd)
		pidfd.Close()
		if err != nil {
			return 0, err
		}
	}
	if err := w.c.place.WaitReleased(ctx); err != nil {
		return 0, err
	}
	c, err := w.e.load(w.c.ID())
	if errors.Is(err, ErrNoContainer) {
		return monitor.CodeUnknown, nil
	}
	if err != nil {
		return 0, err
	}
	return c.State.ExitCode, nil
}

// Wait blocks until the container has ended, and returns its exit code. Of one that does not run it is that of its last run.
func (e *Engine) Wait(ctx context.Context, c *Container) (code int, err error) {
	if err := c.usable(); err != nil {
		return 0, err
	}
	if !c.Running() {
		return c.State.ExitCode, nil
	}
	w, err := e.watch(c)
	if err != nil {
		return 0, err
	}
	defer w.close()
	return w.wait(ctx)
}

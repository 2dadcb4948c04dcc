package engine

import (
	"context"
	"errors"
	"os"
	"time"

	"codeberg.org/hoy/hoy/engine/monitor"
)

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

// cancel has a container that waits to be started again stay where it is. It returns too when it was started all the same: who starts it for a
// monitor that was killed does so in a new run directory, where the mark that it is not wanted any more may be missing.
func (w *watch) cancel(ctx context.Context) error {
	for {
		if w.client == nil { // another monitor is just taking over
			var err error
			if w.client, err = monitor.Dial(w.c.place, 0, monitor.Size{}); err != nil && !errors.Is(err, monitor.ErrGone) {
				return err
			}
		}
		if w.client != nil {
			w.client.Nudge()
			err := w.ask(ctx, (*monitor.Client).WaitStarted)
			if !errors.Is(err, monitor.ErrGone) {
				return err
			}
			w.client.Close()
			w.client = nil
		}
		now, err := w.e.load(w.c.ID())
		if errors.Is(err, ErrNoContainer) || err == nil && !now.Restarting() {
			return nil
		}
		select { // a monitor begins to listen some milliseconds after it took the lock
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// wait waits for the container's end and gives its exit code. A monitor that is killed meanwhile does not keep it from learning that.
func (w *watch) wait(ctx context.Context) (int, error) {
	if w.client != nil {
		code, err := w.waitClient(ctx)
		if !errors.Is(err, monitor.ErrGone) {
			return code, err
		}
	}
	return w.unwatched(ctx)
}

func (w *watch) waitClient(ctx context.Context) (code int, err error) {
	err = w.ask(ctx, func(c *monitor.Client) error {
		code, err = c.WaitExit()
		return err
	})
	return code, err
}

// ask waits for something of the client's until ctx ends.
func (w *watch) ask(ctx context.Context, what func(*monitor.Client) error) error {
	stop := context.AfterFunc(ctx, func() { w.client.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	err := what(w.client)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return ctx.Err()
	}
	return err
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

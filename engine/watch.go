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

// taken waits until the monitor of a container that runs has taken the client in. Else, on a busy machine, the run may end before that, and the client
// learns of the end of the next one only. A timeout is for what comes then.
func (w *watch) taken(ctx context.Context) error {
	if w.client == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	err := w.ask(ctx, func(c *monitor.Client) error {
		event, err := c.Next()
		if err == nil && !event.Started {
			err = monitor.ErrGone
		}
		return err
	})
	if errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if err != nil { // it was killed, or tells of an end
		w.close()
		w.client = nil
	}
	return nil
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

// unwatched waits for the process itself, and for whoever then holds the container's lock to record its end and, unless another run follows, to let go.
func (w *watch) unwatched(ctx context.Context) (int, error) {
	ended := w.c.process
	if ended != nil {
		if pidfd, err := ended.Open(); err == nil {
			err = monitor.WaitProcess(ctx, pidfd)
			pidfd.Close()
			if err != nil {
				return 0, err
			}
		}
	}
	for {
		now, err := w.e.load(w.c.ID())
		switch {
		case errors.Is(err, ErrNoContainer):
			return monitor.CodeUnknown, w.c.place.WaitReleased(ctx)
		case err != nil:
			return 0, err
		case now.Restarting() || now.process != nil && (ended == nil || *now.process != *ended):
			return now.State.ExitCode, nil
		case now.process == nil:
			return now.State.ExitCode, w.c.place.WaitReleased(ctx)
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

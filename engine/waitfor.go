package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"codeberg.org/hoy/hoy/engine/event"
	"codeberg.org/hoy/hoy/oci/health"
)

// conditions are what `wait --condition` can wait for: Podman's, and Docker's API's.
var conditions = map[string]func(*Container) bool{
	"configured":  (*Container).created,
	"created":     (*Container).created,
	"exited":      (*Container).ended,
	"healthy":     func(c *Container) bool { return c.Running() && c.healthIs(health.Healthy) },
	"initialized": (*Container).created,
	"not-running": (*Container).ended,
	"paused":      func(c *Container) bool { return c.State.Status == StatusPaused },
	"removed":     func(*Container) bool { return false }, // a container that is there is not
	"removing":    func(*Container) bool { return false }, // no look finds one between there and gone
	"restarting":  (*Container).Restarting,
	"running":     func(c *Container) bool { return c.State.Status == StatusRunning },
	"stopped":     (*Container).ended,
	"unhealthy":   func(c *Container) bool { return c.Running() && c.healthIs(health.Unhealthy) },
}

func (c *Container) created() bool { return c.State.Status == StatusCreated }

// ended says what `wait` waits for: as in Docker a container that waits to be started again has ended a run.
func (c *Container) ended() bool { return !c.Running() && !c.created() }

func (c *Container) healthIs(status string) bool {
	return c.State.Health != nil && c.State.Health.Status == status
}

// Conditions are the names that WaitFor takes, sorted.
func Conditions() []string {
	var names []string
	for name := range conditions {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// CodeNotEnded is what WaitFor gives for a container that has not ended, as Podman does.
const CodeNotEnded = -1

// WaitFor blocks until one of the conditions holds (none: "stopped"), and returns the exit code of a container that has ended or is gone, else CodeNotEnded.
func (e *Engine) WaitFor(ctx context.Context, c *Container, names []string) (code int, err error) {
	onlyEnd := !slices.ContainsFunc(names, func(n string) bool { return n != "stopped" && n != "exited" && n != "not-running" })
	if onlyEnd {
		return e.Wait(ctx, c)
	}
	for _, n := range names {
		if conditions[n] == nil {
			return 0, fmt.Errorf("unknown condition %q", n)
		}
		if (n == "healthy" || n == "unhealthy") && c.Config.Healthcheck.Command() == nil {
			return 0, fmt.Errorf("container %s has no defined healthcheck%w", c.Name(), hidden{ErrNoHealthcheck})
		}
	}
	r, err := e.Events(time.Time{}) // before the first look, so that nothing is missed
	if err != nil {
		return 0, err
	}
	defer r.Close()
	w := &conditionWait{e: e, c: c, names: names, events: r}
	w.ended.Store(CodeNotEnded)
	return w.run(ctx)
}

// conditionWait is one WaitFor.
type conditionWait struct {
	e      *Engine
	c      *Container
	names  []string
	events *event.Reader
	ended  atomic.Int64 // the exit code of the last run that was seen to end
}

// run looks at the container again whenever something happens to it, and when its run ends.
func (w *conditionWait) run(ctx context.Context) (int, error) {
	for {
		now, err := w.e.load(w.c.ID())
		if errors.Is(err, ErrNoContainer) && (slices.Contains(w.names, "removed") || slices.Contains(w.names, "removing")) {
			return int(w.ended.Load()), nil
		}
		if err != nil {
			return 0, err
		}
		if slices.ContainsFunc(w.names, func(n string) bool { return conditions[n](now) }) {
			if now.ended() {
				return now.State.ExitCode, nil
			}
			return CodeNotEnded, nil
		}
		if err := w.change(ctx, now); err != nil {
			return 0, err
		}
	}
}

// change waits until something happens to the container, or its run ends: of that no event tells when the monitor was killed.
func (w *conditionWait) change(ctx context.Context, now *Container) error {
	until, stop := context.WithCancel(ctx)
	defer stop()
	if now.Running() {
		end, err := w.e.watch(now)
		if err != nil {
			return err
		}
		ended := make(chan struct{})
		defer func() {
			stop()
			<-ended
		}()
		go func() {
			defer close(ended)
			defer end.close()
			if code, err := end.wait(until); err == nil {
				w.ended.Store(int64(code))
				stop()
			}
		}()
	}
	for {
		list, err := w.events.Next()
		if err != nil || w.concerned(list) {
			return err
		}
		if len(list) > 0 {
			continue
		}
		if err := w.events.Wait(until); err != nil {
			return ctx.Err() // nil: the run has ended
		}
	}
}

// concerned says whether one of the events is the container's. The last that is heard of one that is removed at its end is its exit code.
func (w *conditionWait) concerned(list []event.Event) bool {
	concerned := false
	for _, one := range list {
		if one.ID != w.c.ID() {
			continue
		}
		concerned = true
		if code, err := strconv.Atoi(one.Attributes["exitCode"]); err == nil && one.Action == "die" {
			w.ended.Store(int64(code))
		}
	}
	return concerned
}

package engine

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"codeberg.org/hoy/hoy/engine/monitor"
	"codeberg.org/hoy/hoy/oci"
)

// load reads a container and asks the kernel what it is doing. What a dead process or a killed monitor has left is tidied on the way: the look
// is the only moment at which anybody notices. ErrNoContainer, also for one whose --rm was still to be done.
func (e *Engine) load(id string) (*Container, error) {
	p := e.place(id)
	r, err := readRecord(p)
	if err != nil {
		return nil, err
	}
	c := newContainer(p, r)
	s, err := monitor.ReadState(p)
	if err != nil {
		return nil, err
	}
	return e.look(c, s)
}

func newContainer(p monitor.Place, r *record) *Container {
	return &Container{Config: r.Config, place: p, topLayer: r.TopLayer, leased: r.Leased, shifted: r.Shifted}
}

// look derives the container's status from its last recorded state, its process and its lock.
//
//	process   lock   the container
//	lives     held   runs
//	lives     free   runs, and its monitor was killed: it gets a new one
//	dead      held   has ended, its monitor is about to record it
//	dead      free   has ended, and nobody saw how
//	none      held   is being made, started or removed, or waits to be started again (State.Again)
//	none      free   is at rest, or waits to be started again, and its monitor was killed: it gets a new one
func (e *Engine) look(c *Container, s monitor.State) (*Container, error) {
	if s.Process != nil && s.Process.Alive() {
		if !c.place.Kept() {
			e.adopt(c)
		}
		c.setState(s, StatusRunning)
		return c, nil
	}
	kept := c.place.Kept()
	if s.Process != nil && kept {
		c.setState(s, StatusRunning)
		return c, nil
	}
	if s.Process != nil || !kept && !s.Again.Pending() && c.forfeited(s) {
		return e.tidy(c, s)
	}
	if s.Again.Pending() {
		if !kept {
			e.resumeStart(c)
		}
		c.setState(s, StatusRestarting)
		return c, nil
	}
	if s.StartedAt.IsZero() {
		c.setState(s, StatusCreated)
	} else {
		c.setState(s, StatusExited)
	}
	return c, nil
}

// forfeited says of a container at rest that its maker or its monitor was killed before it could remove it.
func (c *Container) forfeited(s monitor.State) bool {
	return c.Config.AutoRemove && (c.leased || !s.StartedAt.IsZero())
}

func (c *Container) setState(s monitor.State, status Status) {
	c.State = State{
		Status:     status,
		ExitCode:   s.ExitCode,
		Error:      s.Error,
		OOMKilled:  s.OOMKilled,
		StartedAt:  s.StartedAt,
		FinishedAt: s.FinishedAt,
		Restarts:   s.Restarts,
		Stopped:    s.Stopped,
		Health:     s.Health,
		LogLost:    s.LogLost,
	}
	c.process = nil
	if status == StatusRunning {
		c.process, c.State.Pid = s.Process, s.Process.Pid
		if c.Config.Healthcheck.Command() != nil {
			if found, ok := monitor.ReadHealth(c.place); ok {
				c.State.Health = &found
			}
		}
		if g, err := c.place.Group(); err == nil && g.Frozen() {
			c.State.Status = StatusPaused
		}
	}
}

// tidy records that a container has ended unseen, or removes it where it was to be removed. It changes nothing when another process has
// the container's lock by now: that one does.
func (e *Engine) tidy(c *Container, s monitor.State) (*Container, error) {
	c.setEnded(s.Lost(c.place, c.Config.Restart))
	if e.o.Outside && monitor.HasStopHooks(c.place) { // which are run by a command inside
		return c, nil
	}
	lock, err := c.place.Lock()
	if err != nil {
		return c, nil
	}
	defer lock.Close()
	if s, err = monitor.ReadState(c.place); err != nil {
		return nil, err
	}
	if s.Process != nil && s.Process.Alive() { // started since we looked
		c.setState(s, StatusRunning)
		return c, nil
	}
	next := s
	if s.Process != nil {
		next = s.Lost(c.place, c.Config.Restart)
		monitor.StopHooks(c.place, func(err error) { e.happened(c, "hook_failed", "error", err.Error()) })
	}
	if c.Config.AutoRemove && !next.Again.Pending() {
		if err := monitor.Erase(c.place, e.anonymousVolumes(c)); err != nil {
			return nil, fmt.Errorf("tidy container %s: %w", c.ID()[:12], err)
		}
		monitor.RemoveRunDir(c.place)
		e.healAfter(c, lock)
		return nil, &refError{c.ID(), ErrNoContainer}
	}
	if s.Process == nil {
		c.setEnded(s)
		return c, nil
	}
	s = next
	c.setEnded(s)
	if err := monitor.WriteState(c.place, s, monitor.Durable); err != nil {
		return c, nil // on a full or read-only disk it is still as we say
	}
	e.happened(c, "die", "exitCode", strconv.Itoa(s.ExitCode))
	if s.Again.Pending() {
		monitor.Resume(c.place, lock)
		return c, nil
	}
	monitor.RemoveRunDir(c.place)
	e.healAfter(c, lock)
	return c, nil
}

// setEnded is setState for a container whose process is gone.
func (c *Container) setEnded(s monitor.State) {
	if s.Again.Pending() {
		c.setState(s, StatusRestarting)
	} else {
		c.setState(s, StatusExited)
	}
}

// resumeStart gives a container that waits to be started again, and whose monitor was killed, a new one. The `start` that such a monitor calls has none made.
func (e *Engine) resumeStart(c *Container) {
	if resuming(c) {
		return
	}
	lock, err := c.place.Lock()
	if err != nil {
		return
	}
	monitor.Resume(c.place, lock)
}

// resuming says whether this process is the `start` that a monitor calls to start the container again.
func resuming(c *Container) bool { return os.Getenv(monitor.ResumeEnv) == c.ID() }

// healAfter gives back the lock of a container that has ended, and has it taken off the networks if nobody has done it: its monitor was
// killed, or asked for it while we held the lock.
func (e *Engine) healAfter(c *Container, lock io.Closer) {
	lock.Close()
	if mode, _ := c.Config.NetworkMode(); mode == oci.NetworkBridge && e.networksOf(nil).On(c.ID()) {
		monitor.Heal(c.place)
	}
}

// adopt gives a running container whose monitor was killed a new one. That it fails costs nothing now: the next look tries again.
func (e *Engine) adopt(c *Container) {
	lock, err := c.place.Lock()
	if err != nil {
		return
	}
	monitor.Adopt(c.place, lock)
}

// usable refuses a container that can only be removed.
func (c *Container) usable() error {
	if c.broken != nil {
		return c.broken
	}
	return nil
}

// leftover removes the directory of a container that was being made or removed when that was interrupted: it has no config, and
// nobody holds its lock. Outside of the user namespace it is left for a command inside.
func (e *Engine) leftover(p monitor.Place) {
	if _, err := os.Lstat(p.Dir()); err == nil && e.o.Outside {
		return
	}
	lock, err := p.Lock()
	if err != nil {
		return
	}
	defer lock.Close()
	if _, err := readRecord(p); !errors.Is(err, ErrNoContainer) {
		return
	}
	monitor.Erase(p, nil)
	monitor.RemoveRunDir(p)
}

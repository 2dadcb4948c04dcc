package engine

import (
	"fmt"

	"codeberg.org/hoy/hoy/cgroups"
	"codeberg.org/hoy/hoy/cgroups/group"
	"codeberg.org/hoy/hoy/engine/monitor"
	"codeberg.org/hoy/hoy/engine/procps"
)

// Pause stops all processes of a running container where they are. One that has no control group gets one now, if the caller may move processes.
func (e *Engine) Pause(c *Container) error {
	switch {
	case c.usable() != nil:
		return c.usable()
	case c.State.Status == StatusPaused:
		return fmt.Errorf("container %s is already paused", c.Name())
	case c.Restarting():
		return c.errRestarting()
	case !c.Running():
		return fmt.Errorf("container %s is not running%w", c.Name(), hidden{ErrNotRunning})
	}
	g, err := c.place.Group()
	if err == nil && (g == nil || g.Dir("freezer") == "") {
		g, err = e.gather(c)
	}
	if err == nil {
		err = cgroups.Freeze(g, true)
	}
	if err != nil {
		return fmt.Errorf("cannot pause container %s: %w", c.Name(), err)
	}
	e.happened(c, "pause")
	return nil
}

// gather gives a container that runs without a control group one to be paused in.
func (e *Engine) gather(c *Container) (*group.Group, error) {
	return e.host(false).Gather(cgroups.MakeOptions{
		ID:     c.ID(),
		Record: func(g *group.Group) error { return monitor.WriteGroup(c.place, g) },
	}, func() ([]int, error) { return c.tree() })
}

// Unpause lets a paused container go on.
func (e *Engine) Unpause(c *Container) error {
	if err := c.usable(); err != nil {
		return err
	}
	if c.State.Status != StatusPaused {
		return fmt.Errorf("container %s is not paused", c.Name())
	}
	g, err := c.place.Group()
	if err == nil {
		err = cgroups.Freeze(g, false)
	}
	if err != nil {
		return fmt.Errorf("cannot unpause container %s: %w", c.Name(), err)
	}
	e.happened(c, "unpause")
	return nil
}

// processes lists the processes of a running container, by their ids here, the first one first.
func (c *Container) processes() ([]int, error) {
	g, err := c.place.Group()
	if err != nil {
		return nil, err
	}
	if g == nil {
		return c.tree()
	}
	return g.Pids()
}

func (c *Container) tree() ([]int, error) {
	return procps.Tree(c.process.Pid, c.Config.PidMode != "host")
}

// Top shows the processes of a running container as ps(1) does with the options in args; none means -ef.
func (e *Engine) Top(c *Container, args []string) (titles []string, rows [][]string, err error) {
	if err := c.usable(); err != nil {
		return nil, nil, err
	}
	if c.Restarting() {
		return nil, nil, c.errRestarting()
	}
	if !c.Running() {
		return nil, nil, fmt.Errorf("container %s is not running%w", c.ID(), hidden{ErrNotRunning})
	}
	columns, err := procps.Parse(args)
	if err != nil {
		return nil, nil, err
	}
	pids, err := c.processes()
	if err != nil {
		return nil, nil, fmt.Errorf("processes of container %s: %w", c.Name(), err)
	}
	return procps.Table(columns, pids)
}

package engine

import (
	"errors"
	"fmt"

	"codeberg.org/hoy/hoy/engine/monitor"
)

// ErrNoHealthcheck: the container has no health check.
var ErrNoHealthcheck = errors.New("no health check")

// Healthcheck makes the health check of a running container now, and gives its exit code: 0 is healthy. It counts like one that was due.
func (e *Engine) Healthcheck(c *Container) (int, error) {
	if err := c.usable(); err != nil {
		return 0, err
	}
	switch {
	case c.Config.Healthcheck.Command() == nil:
		return 0, fmt.Errorf("container %s has no defined healthcheck%w", c.Name(), hidden{ErrNoHealthcheck})
	case c.Restarting():
		return 0, c.errRestarting()
	case !c.Running():
		return 0, fmt.Errorf("container %s is not running%w", c.Name(), hidden{ErrNotRunning})
	case c.State.Status == StatusPaused:
		return 0, fmt.Errorf("container %s is paused, unpause the container before its health is checked", c.Name())
	}
	client, err := monitor.Dial(c.place, 0, monitor.Size{})
	if err != nil {
		return 0, err
	}
	defer client.Close()
	return client.Probe()
}

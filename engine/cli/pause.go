package cli

import (
	"context"

	"codeberg.org/hoy/hoy/engine"
)

func pauseCommand(s *session) *command {
	return s.eachCommand("Pause all processes within one or more containers", "pause", pausable, (*engine.Engine).Pause)
}

func unpauseCommand(s *session) *command {
	return s.eachCommand("Unpause all processes within one or more containers", "unpause", paused, (*engine.Engine).Unpause)
}

func pausable(c *engine.Container) bool { return c.State.Status == engine.StatusRunning }

func paused(c *engine.Container) bool { return c.State.Status == engine.StatusPaused }

// eachCommand is a command that does one thing to each container. fits says which ones --all means.
func (s *session) eachCommand(short, name string, fits func(*engine.Container) bool, do func(*engine.Engine, *engine.Container) error) *command {
	l := selection{fits: fits}
	return &command{
		args:     "CONTAINER [CONTAINER...]",
		short:    short,
		aliases:  []string{"container " + name, name},
		min:      1,
		max:      -1,
		complete: runningContainers,
		implied:  l.implied,
		flags:    l.listFlags("containers"),
		run:      func(_ context.Context, args []string) error { return s.eachSelected(&l, args, do) },
	}
}

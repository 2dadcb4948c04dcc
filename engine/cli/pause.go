package cli

import (
	"context"

	"codeberg.org/hoy/hoy/engine"
)

func pauseCommand(s *session) *command {
	return s.eachCommand("Pause all processes within one or more containers", "pause", (*engine.Engine).Pause)
}

func unpauseCommand(s *session) *command {
	return s.eachCommand("Unpause all processes within one or more containers", "unpause", (*engine.Engine).Unpause)
}

// eachCommand is a command without options that does one thing to each container.
func (s *session) eachCommand(short, name string, do func(*engine.Engine, *engine.Container) error) *command {
	return &command{
		args:     "CONTAINER [CONTAINER...]",
		short:    short,
		aliases:  []string{"container " + name, name},
		min:      1,
		max:      -1,
		complete: runningContainers,
		run:      func(_ context.Context, args []string) error { return s.eachContainer(args, do) },
	}
}

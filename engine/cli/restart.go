package cli

import (
	"context"

	"codeberg.org/hoy/hoy/engine"
	"codeberg.org/hoy/hoy/engine/cli/flags"
)

func restartCommand(s *session) *command {
	var o engine.StopOptions
	var l selection
	var running bool
	return &command{
		args:     "[OPTIONS] CONTAINER [CONTAINER...]",
		short:    "Restart one or more containers",
		aliases:  []string{"container restart", "restart"},
		min:      1,
		max:      -1,
		complete: allContainers,
		implied:  func() int { return l.implied() + one(&running)() },
		flags: append(append(stopFlags(&o), l.listFlags("containers")...),
			flags.Bool(&running, "running", "Act on all running containers")),
		run: func(ctx context.Context, args []string) error {
			if running {
				l.all, l.fits = true, (*engine.Container).Running
			}
			return s.eachSelected(&l, args, func(e *engine.Engine, c *engine.Container) error { return e.Restart(ctx, c, o, s.Streams) })
		},
	}
}

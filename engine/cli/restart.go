package cli

import (
	"context"

	"codeberg.org/hoy/hoy/engine"
)

func restartCommand(s *session) *command {
	var o engine.StopOptions
	return &command{
		args:     "[OPTIONS] CONTAINER [CONTAINER...]",
		short:    "Restart one or more containers",
		aliases:  []string{"container restart", "restart"},
		min:      1,
		max:      -1,
		complete: allContainers,
		flags:    stopFlags(&o),
		run: func(ctx context.Context, args []string) error {
			return s.eachContainer(args, func(e *engine.Engine, c *engine.Container) error { return s.restart(ctx, c, o) })
		},
	}
}

func (s *session) restart(ctx context.Context, c *engine.Container, o engine.StopOptions) error {
	if err := s.engine.Stop(ctx, c, o); err != nil {
		return err
	}
	c, err := s.engine.Find(c.ID())
	if err != nil {
		return err
	}
	_, err = s.engine.Start(ctx, c, engine.StartOptions{Streams: s.Streams})
	return err
}

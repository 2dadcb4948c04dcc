package cli

import (
	"context"

	"codeberg.org/hoy/hoy/engine"
	"codeberg.org/hoy/hoy/engine/cli/flags"
)

func killCommand(s *session) *command {
	var signal string
	l := selection{fits: (*engine.Container).Running}
	return &command{
		args:     "[OPTIONS] CONTAINER [CONTAINER...]",
		short:    "Kill one or more running containers",
		aliases:  []string{"container kill", "kill"},
		min:      1,
		max:      -1,
		complete: runningContainers,
		implied:  l.implied,
		flags: append(l.listFlags("running containers"),
			flags.String(&signal, "signal,s", "Signal to send to the container").OneOf(signalNames()...)),
		run: func(_ context.Context, args []string) error {
			return s.eachSelected(&l, args, func(e *engine.Engine, c *engine.Container) error { return e.Kill(c, signal) })
		},
	}
}

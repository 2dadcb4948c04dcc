package cli

import (
	"context"

	"codeberg.org/hoy/hoy/engine"
	"codeberg.org/hoy/hoy/engine/cli/flags"
)

func stopCommand(s *session) *command {
	var o engine.StopOptions
	l := selection{fits: (*engine.Container).Running}
	return &command{
		args:     "[OPTIONS] CONTAINER [CONTAINER...]",
		short:    "Stop one or more running containers",
		aliases:  []string{"container stop", "stop"},
		min:      1,
		max:      -1,
		complete: runningContainers,
		implied:  l.implied,
		flags:    append(append(stopFlags(&o), l.listFlags("running containers")...), l.ignoreFlag()),
		run: func(ctx context.Context, args []string) error {
			return s.eachSelected(&l, args, func(e *engine.Engine, c *engine.Container) error { return e.Stop(ctx, c, o) })
		},
	}
}

// stopFlags are those of `stop` and `restart`. --time is Docker's older name for --timeout.
func stopFlags(o *engine.StopOptions) []*flags.Flag {
	return []*flags.Flag{
		flags.String(&o.Signal, "signal,s", "Signal to send to the container").OneOf(signalNames()...),
		flags.OptInt(&o.Timeout, "timeout,t,time", "Seconds to wait before killing the container"),
	}
}

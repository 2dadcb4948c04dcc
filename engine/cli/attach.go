package cli

import (
	"context"

	"codeberg.org/hoy/hoy/engine"
	"codeberg.org/hoy/hoy/engine/cli/flags"
)

func attachCommand(s *session) *command {
	var keys *string
	var newest bool
	o := engine.AttachOptions{SigProxy: true}
	return &command{
		args:     "[OPTIONS] CONTAINER",
		short:    "Attach local standard input, output, and error streams to a running container",
		aliases:  []string{"container attach", "attach"},
		min:      1,
		max:      1,
		complete: first(runningContainers),
		implied:  one(&newest),
		flags: []*flags.Flag{
			detachKeysFlag(&keys),
			latestFlag(&newest),
			flags.Bool(&o.NoStdin, "no-stdin", "Do not attach STDIN"),
			flags.Bool(&o.SigProxy, "sig-proxy", "Proxy all received signals to the process"),
		},
		run: func(ctx context.Context, args []string) error {
			e, c, _, err := s.oneContainer(newest, args)
			if err != nil {
				return err
			}
			if err := s.checkTty(c.Config.Tty && c.Config.OpenStdin && !o.NoStdin); err != nil {
				return err
			}
			o.Streams = s.Streams
			o.DetachKeys = detachKeys(keys, c)
			o.SigProxy = o.SigProxy && !c.Config.Tty
			code, err := e.Attach(ctx, c, o)
			if err != nil {
				return err
			}
			return status(code)
		},
	}
}

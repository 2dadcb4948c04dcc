package cli

import (
	"context"
	"errors"

	"codeberg.org/hoy/hoy/engine"
	"codeberg.org/hoy/hoy/engine/cli/flags"
)

type startOptions struct {
	attach, interactive bool
	detachKeys          *string
}

func startCommand(s *session) *command {
	var o startOptions
	return &command{
		args:     "[OPTIONS] CONTAINER [CONTAINER...]",
		short:    "Start one or more stopped containers",
		aliases:  []string{"container start", "start"},
		min:      1,
		max:      -1,
		complete: stoppedContainers,
		flags: []*flags.Flag{
			flags.Bool(&o.attach, "attach,a", "Attach STDOUT/STDERR and forward signals"),
			detachKeysFlag(&o.detachKeys),
			flags.Bool(&o.interactive, "interactive,i", "Attach container's STDIN"),
		},
		run: func(ctx context.Context, args []string) error {
			if !o.attach && !o.interactive {
				return s.eachContainer(args, func(e *engine.Engine, c *engine.Container) error {
					_, err := e.Start(ctx, c, engine.StartOptions{Streams: s.Streams})
					return err
				})
			}
			if len(args) > 1 {
				return errors.New("you cannot start and attach multiple containers at once")
			}
			return s.startAttached(ctx, o, args[0])
		},
	}
}

// startAttached is `start -a` and `start -i`, which end as the container does.
func (s *session) startAttached(ctx context.Context, o startOptions, ref string) error {
	e, c, err := s.container(ref)
	if err != nil {
		return err
	}
	attach := []string{"stdout", "stderr"}
	if o.interactive && c.Config.OpenStdin {
		attach = append(attach, "stdin")
	}
	code, err := e.Start(ctx, c, engine.StartOptions{
		Streams:    s.Streams,
		Attach:     attach,
		DetachKeys: detachKeys(o.detachKeys, c),
		SigProxy:   !c.Config.Tty,
	})
	if err != nil {
		return err
	}
	return status(code)
}

func detachKeysFlag(p **string) *flags.Flag {
	return flags.OptString(p, "detach-keys", "Override the key sequence for detaching a container")
}

// detachKeys are the keys that end the attachment to c: those of the flag, else those the container was made with.
func detachKeys(given *string, c *engine.Container) string {
	switch {
	case given == nil:
		return c.Config.DetachKeys
	case *given == "":
		return noDetachKeys
	}
	return *given
}

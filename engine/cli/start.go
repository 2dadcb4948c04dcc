package cli

import (
	"context"
	"errors"

	"codeberg.org/hoy/hoy/engine"
	"codeberg.org/hoy/hoy/engine/cli/flags"
)

type startOptions struct {
	sigProxy            bool
	attach, interactive bool
	detachKeys          *string
}

// stopped says of a container that `start --all` starts it.
func stopped(c *engine.Container) bool { return !c.Running() && !c.Restarting() }

func startCommand(s *session) *command {
	o := startOptions{sigProxy: true}
	l := selection{fits: stopped}
	return &command{
		args:     "[OPTIONS] CONTAINER [CONTAINER...]",
		short:    "Start one or more stopped containers",
		aliases:  []string{"container start", "start"},
		min:      1,
		max:      -1,
		complete: stoppedContainers,
		implied:  l.implied,
		flags: []*flags.Flag{
			flags.Bool(&l.all, "all", "Start all containers that do not run, or those that --filter selects (Podman)"),
			filterFlag(&l.filters, "filter,f", "Start the containers for which the conditions hold (Podman)", psFilters...),
			latestFlag(&l.latest),
			flags.Bool(&o.attach, "attach,a", "Attach STDOUT/STDERR and forward signals"),
			detachKeysFlag(&o.detachKeys),
			flags.Bool(&o.interactive, "interactive,i", "Attach container's STDIN"),
			flags.Bool(&o.sigProxy, "sig-proxy", "Proxy received signals to the process"),
		},
		run: func(ctx context.Context, args []string) error {
			if !o.attach && !o.interactive {
				return s.eachSelected(&l, args, func(e *engine.Engine, c *engine.Container) error {
					_, err := e.Start(ctx, c, engine.StartOptions{Streams: s.Streams})
					return err
				})
			}
			args, err := s.refs(&l, args)
			if err != nil {
				return err
			}
			if len(args) != 1 {
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
	start := engine.StartOptions{
		Streams:    s.Streams,
		Attach:     attach,
		DetachKeys: detachKeys(o.detachKeys, c),
		SigProxy:   o.sigProxy && !c.Config.Tty,
	}
	if err := inherit(&start, c.Config.Init, 0); err != nil {
		return err
	}
	code, err := e.Start(ctx, c, start)
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

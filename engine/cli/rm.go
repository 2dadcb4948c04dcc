package cli

import (
	"context"
	"errors"

	"codeberg.org/hoy/hoy/engine"
	"codeberg.org/hoy/hoy/engine/cli/flags"
)

func rmCommand(s *session) *command {
	var o engine.RemoveOptions
	return &command{
		args:     "[OPTIONS] CONTAINER [CONTAINER...]",
		short:    "Remove one or more containers",
		aliases:  []string{"container rm", "container remove", "rm"},
		min:      1,
		max:      -1,
		complete: func(s *session, args []string) []choice { return removableContainers(s, o.Force, args) },
		flags: []*flags.Flag{
			flags.Bool(&o.Force, "force,f", "Force the removal of a running container (uses SIGKILL)"),
			flags.Bool(&o.Volumes, "volumes,v", "Remove anonymous volumes associated with the container"),
		},
		run: func(ctx context.Context, args []string) error { return s.rm(ctx, args, o) },
	}
}

// rm removes containers. With force, one that is not there is as good as removed, and is not printed.
func (s *session) rm(ctx context.Context, refs []string, o engine.RemoveOptions) error {
	if o.Force {
		e, err := s.open()
		if err != nil {
			return err
		}
		var there []string
		for _, ref := range refs {
			if _, err := e.Find(ref); !errors.Is(err, engine.ErrNoContainer) {
				there = append(there, ref)
			}
		}
		refs = there
	}
	return s.eachContainer(refs, func(e *engine.Engine, c *engine.Container) error { return e.Remove(ctx, c, o) })
}

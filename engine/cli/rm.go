package cli

import (
	"context"
	"errors"

	"codeberg.org/hoy/hoy/engine"
	"codeberg.org/hoy/hoy/engine/cli/flags"
)

type rmOptions struct {
	engine.RemoveOptions
	selection
	depend bool
}

func rmCommand(s *session) *command {
	var o rmOptions
	return &command{
		args:     "[OPTIONS] CONTAINER [CONTAINER...]",
		short:    "Remove one or more containers",
		aliases:  []string{"container rm", "container remove", "rm"},
		min:      1,
		max:      -1,
		implied:  o.implied,
		complete: func(s *session, args []string) []choice { return removableContainers(s, o.Force, args) },
		flags: append(o.listFlags("containers"),
			flags.Bool(&o.depend, "depend", "Remove container and all containers that depend on the selected container"),
			flags.Bool(&o.Force, "force,f", "Force the removal of a running container (uses SIGKILL)"),
			o.ignoreFlag(),
			flags.OptInt(&o.Timeout, "time,t", "Seconds to wait for stop before killing the container, implies --force"),
			flags.Bool(&o.Volumes, "volumes,v", "Remove anonymous volumes associated with the container"),
		),
		run: func(ctx context.Context, args []string) error { return s.rm(ctx, args, o) },
	}
}

// rm removes containers. With force, one that is not there is as good as removed, and is not printed.
func (s *session) rm(ctx context.Context, args []string, o rmOptions) error {
	o.Force = o.Force || o.Timeout != nil
	o.ignore = o.ignore || o.Force
	refs, err := s.refs(&o.selection, args)
	if err != nil {
		return err
	}
	if o.depend {
		if refs, err = s.withDependents(refs); err != nil {
			return err
		}
	}
	return s.eachContainer(refs, func(e *engine.Engine, c *engine.Container) error {
		err := e.Remove(ctx, c, o.RemoveOptions)
		if o.ignore && errors.Is(err, engine.ErrNoContainer) {
			return nil
		}
		return err
	})
}

// withDependents adds the containers that use a namespace of those.
func (s *session) withDependents(refs []string) ([]string, error) {
	e, err := s.open()
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	var ids []string
	for len(refs) > 0 {
		c, err := e.Find(refs[0])
		if refs = refs[1:]; err != nil {
			return nil, err
		}
		if seen[c.ID()] {
			continue
		}
		seen[c.ID()] = true
		ids = append(ids, c.ID())
		more, err := e.Dependents(c)
		if err != nil {
			return nil, err
		}
		refs = append(refs, more...)
	}
	return ids, nil
}

package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"codeberg.org/hoy/hoy/engine"
	"codeberg.org/hoy/hoy/oci"
)

func createCommand(s *session) *command {
	o := newContainerOptions("creating")
	return &command{
		args:     "[OPTIONS] IMAGE [COMMAND] [ARG...]",
		short:    "Create a new container",
		aliases:  []string{"container create", "create"},
		min:      1,
		max:      -1,
		ordered:  true,
		complete: first(completeImages),
		flags:    o.flags(),
		run: func(ctx context.Context, args []string) error {
			cfg, err := o.config(args)
			if err != nil {
				return flagError(err)
			}
			ctx, done := s.interruptible(ctx)
			defer done()
			c, err := s.createContainer(ctx, o, cfg, false)
			if err != nil {
				return err
			}
			s.print(c.ID())
			return nil
		},
	}
}

// createContainer creates the container of `create`, or of `run`, which starts it at once, and writes its id where --cidfile says.
func (s *session) createContainer(ctx context.Context, o *containerOptions, cfg *oci.Config, run bool) (c *engine.Container, err error) {
	e, err := s.open()
	if err != nil {
		return nil, err
	}
	o.ignored.warn(s.Err)
	file, err := openCidfile(o.cidfile)
	if err != nil {
		return nil, err
	}
	s.warnPorts(cfg)
	if o.replace {
		err = s.replaceContainer(ctx, cfg.Name)
	}
	if err == nil {
		c, err = e.Create(ctx, cfg, s.createOptions(o, run))
	}
	if file == nil {
		return c, err
	}
	if err != nil {
		return nil, errors.Join(err, file.Close(), os.Remove(o.cidfile))
	}
	if _, err = file.WriteString(c.ID()); err == nil {
		err = file.Close()
	}
	if err != nil {
		return nil, errors.Join(err, os.Remove(o.cidfile), e.Remove(context.WithoutCancel(ctx), c, engine.RemoveOptions{Volumes: true}))
	}
	return c, nil
}

func (s *session) createOptions(o *containerOptions, run bool) engine.CreateOptions {
	pull := o.images.pull
	pull.Progress, pull.Quiet = s.progress(o.quiet), o.quiet
	return engine.CreateOptions{Pull: o.pull, PullOptions: pull, Run: run, Ahead: o.early}
}

// replaceContainer removes the container that has the name, if there is one.
func (s *session) replaceContainer(ctx context.Context, name string) error {
	if name == "" {
		return coded{errors.New("cannot replace container without --name being set"), codeUsage}
	}
	c, err := s.engine.Find(name)
	switch {
	case errors.Is(err, engine.ErrNoContainer) || err == nil && c.Name() != name:
		return nil
	case err != nil:
		return err
	}
	return s.engine.Remove(ctx, c, engine.RemoveOptions{Force: true, Volumes: true})
}

// openCidfile makes the file for a container's id before the container: it must not exist.
func openCidfile(name string) (*os.File, error) {
	if name == "" {
		return nil, nil
	}
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o666)
	if errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("container ID file found, make sure the other container isn't running or delete %s", name)
	}
	if err != nil {
		return nil, fmt.Errorf("create the container ID file: %w", err)
	}
	return f, nil
}

package cli

import (
	"context"
	"errors"

	"codeberg.org/hoy/hoy/engine"
	"codeberg.org/hoy/hoy/engine/cli/flags"
)

type execOptions struct {
	engine.ExecOptions
	env, envFiles []string
	detachKeys    *string
	preserve      int
	latest        bool
	cidfile       string
}

func execCommand(s *session) *command {
	var o execOptions
	return &command{
		args:     "[OPTIONS] CONTAINER COMMAND [ARG...]",
		short:    "Execute a command in a running container",
		aliases:  []string{"container exec", "exec"},
		min:      2,
		max:      -1,
		ordered:  true,
		complete: first(runningContainers),
		implied:  func() int { return o.selection().implied() },
		flags: []*flags.Flag{
			flags.Bool(&o.Detach, "detach,d", "Detached mode: run command in the background"),
			flags.String(&o.cidfile, "cidfile", "Read the container ID from the file").From("file"),
			detachKeysFlag(&o.detachKeys),
			flags.Func(keep(&o.env, checkEnv), "env,e", "Set environment variables"),
			flags.List(&o.envFiles, "env-file", "Read in a file of environment variables").From("file"),
			latestFlag(&o.latest),
			flags.Bool(&o.Interactive, "interactive,i", "Keep STDIN open even if not attached"),
			preserveFlag(&o.preserve),
			flags.Bool(&o.Privileged, "privileged", "Give extended privileges to the command"),
			flags.Bool(&o.Tty, "tty,t", "Allocate a pseudo-TTY"),
			flags.String(&o.User, "user,u", `Username or UID (format: "<name|uid>[:<group|gid>]")`),
			flags.String(&o.WorkingDir, "workdir,w", "Working directory inside the container"),
		},
		run: func(ctx context.Context, args []string) error { return s.exec(ctx, o, args) },
	}
}

// selection are the flags that stand for the container.
func (o *execOptions) selection() *selection {
	l := &selection{latest: o.latest}
	if o.cidfile != "" {
		l.cidfiles = []string{o.cidfile}
	}
	return l
}

func (s *session) exec(ctx context.Context, o execOptions, args []string) (err error) {
	if o.Env, err = environment(o.envFiles, o.env); err != nil {
		return err
	}
	if o.Kept, err = keptFiles(o.preserve); err != nil {
		return coded{err, codeUsage}
	}
	words := args
	refs, err := s.refs(o.selection(), nil)
	if err != nil {
		return err
	}
	if len(refs) == 0 {
		refs, words = args[:1], args[1:]
	}
	e, c, err := s.container(refs[0])
	if err != nil {
		return err
	}
	if err := s.checkTty(o.Tty && o.Interactive && !o.Detach); err != nil {
		return err
	}
	o.Streams = s.Streams
	o.Cmd = words
	o.DetachKeys = detachKeys(o.detachKeys, c)
	code, err := e.Exec(ctx, c, o.ExecOptions)
	if errors.Is(err, engine.ErrDetached) {
		return err
	}
	if err != nil {
		return execError(err)
	}
	return status(code)
}

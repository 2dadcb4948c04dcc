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
		flags: []*flags.Flag{
			flags.Bool(&o.Detach, "detach,d", "Detached mode: run command in the background"),
			detachKeysFlag(&o.detachKeys),
			flags.Func(keep(&o.env, checkEnv), "env,e", "Set environment variables"),
			flags.List(&o.envFiles, "env-file", "Read in a file of environment variables").From("file"),
			flags.Bool(&o.Interactive, "interactive,i", "Keep STDIN open even if not attached"),
			flags.Bool(&o.Privileged, "privileged", "Give extended privileges to the command"),
			flags.Bool(&o.Tty, "tty,t", "Allocate a pseudo-TTY"),
			flags.String(&o.User, "user,u", `Username or UID (format: "<name|uid>[:<group|gid>]")`),
			flags.String(&o.WorkingDir, "workdir,w", "Working directory inside the container"),
		},
		run: func(ctx context.Context, args []string) error { return s.exec(ctx, o, args) },
	}
}

func (s *session) exec(ctx context.Context, o execOptions, args []string) (err error) {
	if o.Env, err = environment(o.envFiles, o.env); err != nil {
		return err
	}
	e, c, err := s.container(args[0])
	if err != nil {
		return err
	}
	if err := s.checkTty(o.Tty && o.Interactive && !o.Detach); err != nil {
		return err
	}
	o.Streams = s.Streams
	o.Cmd = args[1:]
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

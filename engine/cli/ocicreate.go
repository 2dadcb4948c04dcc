package cli

import (
	"errors"
	"os"
	"path/filepath"

	"codeberg.org/hoy/hoy/engine"
	"codeberg.org/hoy/hoy/engine/bundle"
	"codeberg.org/hoy/hoy/engine/cli/flags"
)

func ociCreateCommand(s *session) *command {
	var o bundle.CreateOptions
	return &command{
		args:  "[OPTIONS] CONTAINER",
		short: "Create a container of a bundle, up to where its command could run",
		min:   1,
		max:   1,
		flags: bundleFlags(&o),
		run: s.runtimeRun("create failed", func(r *bundle.Runtime, args []string) error {
			if err := s.prepareBundle(&o); err != nil {
				return err
			}
			return r.Create(args[0], o)
		}),
	}
}

func ociRunCommand(s *session) *command {
	var o bundle.RunOptions
	return &command{
		args:  "[OPTIONS] CONTAINER",
		short: "Create and start a container of a bundle, and remove it when it has ended",
		min:   1,
		max:   1,
		flags: append(bundleFlags(&o.CreateOptions),
			flags.Bool(&o.Detach, "detach,d", "Leave the container alone when its command runs"),
			flags.Bool(&o.Keep, "keep", "Do not remove the container when it has ended"),
			flags.Bool(new(bool), "no-subreaper", "Does nothing: hoy is no reaper of the container's children").Hide(),
		),
		run: s.runtimeRun("run failed", func(r *bundle.Runtime, args []string) error {
			if err := s.prepareBundle(&o.CreateOptions); err != nil {
				return err
			}
			o.Console = s.relay
			code, err := r.Run(args[0], o)
			if err != nil {
				return err
			}
			return status(code)
		}),
	}
}

// relay shows a container's terminal on the caller's.
func (s *session) relay(master *os.File) (func(), error) { return engine.Relay(s.Streams, master) }

// bundleFlags are the flags of create and run.
func bundleFlags(o *bundle.CreateOptions) []*flags.Flag {
	return []*flags.Flag{
		flags.String(&o.Bundle, "bundle,b", "Directory with config.json (default: the working directory)").From("dir"),
		flags.String(&o.ConsoleSocket, "console-socket", "Unix socket that gets the terminal's master").From("file"),
		flags.Bool(&o.NoNewKeyring, "no-new-keyring", "Keep the caller's session keyring"),
		flags.Bool(&o.NoPivot, "no-pivot", "Use chroot in place of pivot_root, where the host's root is the initial ramfs"),
		flags.String(&o.PidFile, "pid-file", "File that gets the process's id").From("file"),
		flags.String(&o.PidfdSocket, "pidfd-socket", "Unix socket that gets a pidfd of the process").From("file"),
		flags.Int(&o.PreserveFDs, "preserve-fds", "Number of descriptors from 3 on that the command gets"),
	}
}

// prepareBundle gives the container hoy's own descriptors.
func (s *session) prepareBundle(o *bundle.CreateOptions) error {
	if o.PreserveFDs < 0 {
		return errors.New("--preserve-fds must not be negative")
	}
	o.Stdio = [3]*os.File{s.In, s.Out, s.Err}
	if o.PidFile != "" {
		abs, err := filepath.Abs(o.PidFile)
		if err != nil {
			return err
		}
		o.PidFile = abs
	}
	return nil
}

func ociStartCommand(s *session) *command {
	return &command{
		args:  "CONTAINER",
		short: "Let the command of a created container run",
		min:   1,
		max:   1,
		run: s.runtimeRun("start failed", func(r *bundle.Runtime, args []string) error {
			c, err := r.Load(args[0])
			if err != nil {
				return err
			}
			return c.Start()
		}),
	}
}

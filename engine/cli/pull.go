package cli

import (
	"context"
	"os"

	"codeberg.org/hoy/hoy/engine/cli/flags"
	"codeberg.org/hoy/hoy/storage"
)

type pullOptions struct {
	storage.PullOptions
	tlsVerify bool
}

func pullCommand(s *session) *command {
	o := pullOptions{tlsVerify: true}
	o.Platform = os.Getenv("DOCKER_DEFAULT_PLATFORM")
	verify := flags.Bool(&o.tlsVerify, "tls-verify", "Require HTTPS and verify certificates (a registry on this machine may do without)")
	return &command{
		args:     "[OPTIONS] NAME[:TAG|@DIGEST]",
		short:    "Download an image from a registry",
		aliases:  []string{"image pull", "pull"},
		min:      1,
		max:      1,
		complete: first(completeImages),
		flags: append(pullFlags(&o.PullOptions),
			flags.String(&o.Platform, "platform", "Set platform if server is multi-platform capable").OneOf("linux/amd64", "linux/arm64"),
			flags.Bool(&o.Quiet, "quiet,q", "Suppress verbose output"),
			verify,
		),
		run: func(ctx context.Context, args []string) error {
			if verify.Changed() {
				o.TLSVerify = &o.tlsVerify
			}
			return s.pull(ctx, args[0], o.PullOptions)
		},
	}
}

// pull prints the full name of what it got, behind the progress.
func (s *session) pull(ctx context.Context, ref string, o storage.PullOptions) error {
	name, err := storage.NormalName(ref)
	if err != nil {
		return err
	}
	e, err := s.open()
	if err != nil {
		return err
	}
	if !o.Quiet {
		o.Progress = s.Out
	}
	ctx, done := s.interruptible(ctx)
	defer done()
	if _, err := e.Store.Pull(ctx, ref, o); err != nil {
		return err
	}
	s.print(name)
	return nil
}

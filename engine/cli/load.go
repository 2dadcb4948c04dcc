package cli

import (
	"context"
	"errors"
	"os"

	"codeberg.org/hoy/hoy/engine/cli/flags"
	"codeberg.org/hoy/hoy/storage"
)

type loadOptions struct {
	storage.LoadOptions
	input string
	quiet bool // nothing is shown while an archive is read: there is nothing to suppress
}

func loadCommand(s *session) *command {
	var o loadOptions
	return &command{
		args:    "[OPTIONS]",
		short:   "Load an image from a tar archive or STDIN",
		aliases: []string{"image load", "load"},
		flags: []*flags.Flag{
			flags.String(&o.input, "input,i", "Read from tar archive file, instead of STDIN").From("file"),
			flags.String(&o.Platform, "platform", `Load only the given platform variant. Formatted as "os[/arch[/variant]]" (e.g., "linux/amd64")`),
			flags.Bool(&o.quiet, "quiet,q", "Suppress the load output"),
		},
		run: func(ctx context.Context, _ []string) error { return s.load(ctx, o) },
	}
}

func (s *session) load(ctx context.Context, o loadOptions) error {
	input := s.In
	if o.input != "" {
		f, err := os.Open(o.input)
		if err != nil {
			return err
		}
		defer f.Close()
		input = f
	} else if isTerminal(s.In) {
		return errors.New("requested load from stdin, but stdin is empty")
	}
	e, err := s.open()
	if err != nil {
		return err
	}
	ctx, done := s.interruptible(ctx)
	defer done()
	loaded, err := e.Store.Load(ctx, input, o.LoadOptions)
	for _, l := range loaded {
		if l.Name != "" {
			s.print("Loaded image:", l.Name)
		} else {
			s.print("Loaded image ID:", "sha256:"+l.ID)
		}
	}
	return err
}

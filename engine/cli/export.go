package cli

import (
	"context"
	"errors"
	"io"

	"codeberg.org/hoy/hoy/engine/cli/flags"
)

func exportCommand(s *session) *command {
	var output string
	return &command{
		args:     "[OPTIONS] CONTAINER",
		short:    "Export a container's filesystem as a tar archive",
		aliases:  []string{"container export", "export"},
		min:      1,
		max:      1,
		complete: first(allContainers),
		flags: []*flags.Flag{
			flags.String(&output, "output,o", "Write to a file, instead of STDOUT").From("file"),
		},
		run: func(ctx context.Context, args []string) error {
			if output == "" && isTerminal(s.Out) {
				return errors.New("cowardly refusing to save to a terminal. Use the -o flag or redirect")
			}
			e, c, err := s.container(args[0])
			if err != nil {
				return err
			}
			ctx, done := s.interruptible(ctx)
			defer done()
			if output == "" {
				return e.Export(ctx, c, s.Out)
			}
			return writeWhole(output, func(w io.Writer) error { return e.Export(ctx, c, w) })
		},
	}
}

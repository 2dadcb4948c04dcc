package cli

import (
	"context"
	"errors"
	"io"
	"os"

	"codeberg.org/hoy/hoy/build/copier"
	"codeberg.org/hoy/hoy/engine/cli/flags"
)

func exportVolumeCommand(s *session) *command {
	var output string
	return &command{
		args:     "[OPTIONS] VOLUME",
		short:    "Export a volume's content as a tar archive",
		min:      1,
		max:      1,
		complete: first(completeVolumes),
		flags: []*flags.Flag{
			flags.String(&output, "output,o", "Write to a file, instead of STDOUT").From("file"),
		},
		run: func(ctx context.Context, args []string) error {
			if output == "" && isTerminal(s.Out) {
				return errors.New("cowardly refusing to save to a terminal. Use the -o flag or redirect")
			}
			e, err := s.open()
			if err != nil {
				return err
			}
			ctx, done := s.interruptible(ctx)
			defer done()
			if output == "" {
				return e.ExportVolume(ctx, args[0], s.Out)
			}
			return writeWhole(output, func(w io.Writer) error { return e.ExportVolume(ctx, args[0], w) })
		},
	}
}

func importVolumeCommand(s *session) *command {
	return &command{
		args:     "VOLUME [file|-]",
		short:    "Import the content of a tar archive into a volume",
		long:     "Import the content of a tar archive, which may be compressed, into a volume that exists",
		min:      1,
		max:      2,
		complete: first(completeVolumes),
		run: func(ctx context.Context, args []string) error {
			e, err := s.open()
			if err != nil {
				return err
			}
			in := s.In
			if len(args) > 1 && args[1] != "-" {
				if in, err = os.Open(args[1]); err != nil {
					return err
				}
				defer in.Close()
			}
			r, err := copier.Decompress(in)
			if err != nil {
				return err
			}
			ctx, done := s.interruptible(ctx)
			defer done()
			return e.ImportVolume(ctx, args[0], r)
		},
	}
}

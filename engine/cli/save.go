package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"codeberg.org/hoy/hoy/engine/cli/flags"
	"codeberg.org/hoy/hoy/storage"
)

func saveCommand(s *session) *command {
	var output string
	o := storage.SaveOptions{Format: "docker-archive"}
	return &command{
		args:     "[OPTIONS] IMAGE [IMAGE...]",
		short:    "Save one or more images to a tar archive (streamed to STDOUT by default)",
		aliases:  []string{"image save", "save"},
		min:      1,
		max:      -1,
		complete: completeImages,
		flags: []*flags.Flag{
			flags.String(&o.Format, "format", `Kind of archive ("docker-archive", "oci-archive")`).OneOf("docker-archive", "oci-archive"),
			flags.String(&output, "output,o", "Write to a file, instead of STDOUT").From("file"),
		},
		run: func(ctx context.Context, args []string) error {
			if o.Format != "docker-archive" && o.Format != "oci-archive" {
				return fmt.Errorf(`unknown format %q: must be "docker-archive" or "oci-archive"`, o.Format)
			}
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
				return e.Store.Save(ctx, s.Out, args, o)
			}
			return writeWhole(output, func(w io.Writer) error { return e.Store.Save(ctx, w, args, o) })
		},
	}
}

// writeWhole writes a file beside its place and then moves it there: there is the whole of it or nothing. What is there and no
// regular file (a device, a pipe) is written to as it is.
func writeWhole(name string, write func(io.Writer) error) error {
	if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
		f, err := os.OpenFile(name, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		return errors.Join(write(f), f.Close())
	}
	f, err := os.CreateTemp(filepath.Dir(name), ".hoy-")
	if wrong := new(fs.PathError); errors.As(err, &wrong) {
		wrong.Path = name // the name that the user knows
	}
	if err != nil {
		return err
	}
	err = errors.Join(write(f), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

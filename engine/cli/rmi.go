package cli

import (
	"context"
	"errors"

	"codeberg.org/hoy/hoy/engine/cli/flags"
	"codeberg.org/hoy/hoy/storage"
)

func rmiCommand(s *session) *command {
	var o storage.RemoveOptions
	return &command{
		args:     "[OPTIONS] IMAGE [IMAGE...]",
		short:    "Remove one or more images",
		aliases:  []string{"image rm", "image remove", "rmi"},
		min:      1,
		max:      -1,
		complete: completeImages,
		flags: []*flags.Flag{
			flags.Bool(&o.Force, "force,f", "Force removal of the image"),
			flags.Bool(&o.NoPrune, "no-prune", "Do not delete untagged parents"),
		},
		run: func(ctx context.Context, args []string) error { return s.rmi(ctx, args, o) },
	}
}

func (s *session) rmi(ctx context.Context, refs []string, o storage.RemoveOptions) error {
	e, err := s.open()
	if err != nil {
		return err
	}
	o.InUse = e.ImageUsers
	var errs []error
	for _, ref := range refs {
		removed, err := e.Store.Remove(ctx, ref, o)
		for _, r := range removed {
			if r.Untagged != "" {
				s.print("Untagged:", r.Untagged)
			}
			if r.Deleted != "" {
				s.print("Deleted:", r.Deleted)
			}
		}
		if o.Force && errors.Is(err, storage.ErrNoImage) { // Docker says so, and is content
			s.complain(err)
			err = nil
		}
		errs = append(errs, err)
	}
	return errors.Join(append(errs, e.SweepShifted(false))...)
}

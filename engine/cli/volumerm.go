package cli

import (
	"context"
	"errors"

	"codeberg.org/hoy/hoy/engine/cli/flags"
	"codeberg.org/hoy/hoy/storage"
)

func rmVolumeCommand(s *session) *command {
	var force bool
	return &command{
		args:     "[OPTIONS] VOLUME [VOLUME...]",
		short:    "Remove one or more volumes",
		long:     "Remove one or more volumes. You cannot remove a volume that is in use by a container.",
		aliases:  []string{"volume rm", "volume remove"},
		min:      1,
		max:      -1,
		complete: completeVolumes,
		flags:    []*flags.Flag{flags.Bool(&force, "force,f", "Force the removal of one or more volumes")},
		run: func(_ context.Context, args []string) error {
			e, err := s.open()
			if err != nil {
				return err
			}
			var errs []error
			for _, name := range args {
				err := e.Store.RemoveVolume(name, e.VolumeUsers)
				if force && errors.Is(err, storage.ErrNoVolume) {
					err = nil
				}
				if err == nil {
					s.print(name)
				}
				errs = append(errs, err)
			}
			return errors.Join(errs...)
		},
	}
}

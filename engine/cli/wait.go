package cli

import (
	"context"
	"errors"
)

func waitCommand(s *session) *command {
	return &command{
		args:     "CONTAINER [CONTAINER...]",
		short:    "Block until one or more containers stop, then print their exit codes",
		aliases:  []string{"container wait", "wait"},
		min:      1,
		max:      -1,
		complete: runningContainers,
		run: func(ctx context.Context, args []string) error {
			var errs []error
			for _, ref := range args {
				e, c, err := s.container(ref)
				if err == nil {
					var code int
					if code, err = e.Wait(ctx, c); err == nil {
						s.print(code)
					}
				}
				errs = append(errs, err)
			}
			return errors.Join(errs...)
		},
	}
}

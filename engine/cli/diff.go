package cli

import (
	"context"
	"fmt"

	"codeberg.org/hoy/hoy/engine/cli/flags"
)

func diffCommand(s *session) *command {
	var newest bool
	return &command{
		args:     "CONTAINER",
		short:    "Inspect changes to files or directories on a container's filesystem",
		aliases:  []string{"container diff", "diff"},
		min:      1,
		max:      1,
		complete: first(allContainers),
		implied:  one(&newest),
		flags:    []*flags.Flag{latestFlag(&newest)},
		run: func(_ context.Context, args []string) error {
			e, c, _, err := s.oneContainer(newest, args)
			if err != nil {
				return err
			}
			changes, err := e.Diff(c)
			for _, change := range changes {
				fmt.Fprintf(s.Out, "%c %s\n", change.Kind, change.Path)
			}
			return err
		},
	}
}

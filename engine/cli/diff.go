package cli

import (
	"context"
	"fmt"
)

func diffCommand(s *session) *command {
	return &command{
		args:     "CONTAINER",
		short:    "Inspect changes to files or directories on a container's filesystem",
		aliases:  []string{"container diff", "diff"},
		min:      1,
		max:      1,
		complete: first(allContainers),
		run: func(_ context.Context, args []string) error {
			e, c, err := s.container(args[0])
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

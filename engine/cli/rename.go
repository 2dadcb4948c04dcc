package cli

import "context"

func renameCommand(s *session) *command {
	return &command{
		args:     "CONTAINER NEW_NAME",
		short:    "Rename a container",
		aliases:  []string{"container rename", "rename"},
		min:      2,
		max:      2,
		complete: first(allContainers),
		run: func(_ context.Context, args []string) error {
			e, c, err := s.container(args[0])
			if err != nil {
				return err
			}
			return e.Rename(c, args[1])
		},
	}
}

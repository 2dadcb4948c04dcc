package cli

import (
	"context"
	"errors"

	"codeberg.org/hoy/hoy/engine"
)

func updateCommand(s *session) *command {
	var change engine.Change
	table := append(updatableFlags(&change.Resources), restartFlag(&change.Restart))
	return &command{
		args:     "[OPTIONS] CONTAINER [CONTAINER...]",
		short:    "Update configuration of one or more containers",
		aliases:  []string{"container update", "update"},
		min:      1,
		max:      -1,
		complete: allContainers,
		flags:    table,
		run: func(_ context.Context, args []string) error {
			changed := false
			for _, f := range table {
				changed = changed || f.Changed()
			}
			if !changed {
				return errors.New("you must provide one or more flags when using this command")
			}
			return s.eachContainer(args, func(e *engine.Engine, c *engine.Container) error { return e.Update(c, &change) })
		},
	}
}

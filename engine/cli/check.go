package cli

import (
	"context"
	"fmt"

	"codeberg.org/hoy/hoy/engine/cli/flags"
)

func checkCommand(s *session) *command {
	var repair bool
	return &command{
		args:  "[OPTIONS]",
		short: "Look for damage on the disk, and mend it",
		long: `Look for damage on the disk: what killed commands and power cuts have left of containers,
images, layers and volumes. Each is named on a line. The exit code is 1 when something is left to be mended.`,
		flags: []*flags.Flag{flags.Bool(&repair, "repair,r", "Mend what can be mended without losing what is whole")},
		run: func(ctx context.Context, _ []string) error {
			e, err := s.open()
			if err != nil {
				return err
			}
			found, err := e.Check(ctx, repair)
			left := 0
			for _, p := range found {
				if p.Mended {
					s.print(p.What + ": mended")
				} else {
					s.print(p.What)
					left++
				}
			}
			if err == nil && left > 0 {
				err = &damage{left, repair}
			}
			return err
		},
	}
}

// damage is what check has found and not mended.
type damage struct {
	n        int
	repaired bool
}

func (d *damage) Error() string {
	if d.n == 1 {
		return "1 problem is left"
	}
	return fmt.Sprintf("%d problems are left", d.n)
}

// Hint says what to do about it.
func (d *damage) Hint() string {
	if d.repaired {
		return "remove those containers and images ('hoy rm', 'hoy rmi'), and pull or build the images again"
	}
	return "'hoy system check --repair' mends what can be mended"
}

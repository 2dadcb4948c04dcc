package cli

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"

	"codeberg.org/hoy/hoy/engine/cli/flags"
)

func topCommand(s *session) *command {
	var newest bool
	return &command{
		args:  "CONTAINER [ps OPTIONS]",
		short: "Display the running processes of a container",
		long: `Display the running processes of a container

The options are those of ps(1) that choose columns: -f, -l, u, -o LIST. hoy reads the processes itself and needs no ps.`,
		aliases:  []string{"container top", "top"},
		min:      1,
		max:      -1,
		ordered:  true,
		complete: first(runningContainers),
		implied:  one(&newest),
		flags:    []*flags.Flag{latestFlag(&newest)},
		run: func(_ context.Context, args []string) error {
			e, c, columns, err := s.oneContainer(newest, args)
			if err != nil {
				return err
			}
			titles, rows, err := e.Top(c, columns)
			if err != nil {
				return err
			}
			w := tabwriter.NewWriter(s.Out, 20, 1, 3, ' ', 0)
			fmt.Fprintln(w, strings.Join(titles, "\t"))
			for _, row := range rows {
				fmt.Fprintln(w, strings.Join(row, "\t"))
			}
			return w.Flush()
		},
	}
}

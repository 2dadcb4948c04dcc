package cli

import (
	"bufio"
	"context"
	"fmt"
	"strings"

	"codeberg.org/hoy/hoy/engine/cli/flags"
	"codeberg.org/hoy/hoy/engine/cli/format"
)

func pruneContainersCommand(s *session) *command {
	var force bool
	return &command{
		args:  "[OPTIONS]",
		short: "Remove all stopped containers",
		flags: []*flags.Flag{flags.Bool(&force, "force,f", "Do not prompt for confirmation")},
		run: func(ctx context.Context, _ []string) error {
			if !force && !s.confirm("WARNING! This will remove all stopped containers.\nAre you sure you want to continue?") {
				return nil
			}
			e, err := s.open()
			if err != nil {
				return err
			}
			pruned, err := e.Prune(ctx, nil)
			if len(pruned.Containers) > 0 {
				fmt.Fprintf(s.Out, "Deleted Containers:\n%s\n\n", strings.Join(pruned.Containers, "\n"))
			}
			s.print("Total reclaimed space:", format.Size(pruned.Space))
			return err
		},
	}
}

// confirm asks a question that only "y" answers well.
func (s *session) confirm(question string) bool {
	fmt.Fprintf(s.Out, "%s [y/N] ", question)
	answer, _ := bufio.NewReader(s.In).ReadString('\n') // no answer is no
	return strings.EqualFold(strings.TrimSpace(answer), "y")
}

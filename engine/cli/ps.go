package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"codeberg.org/hoy/hoy/engine"
	"codeberg.org/hoy/hoy/engine/cli/flags"
	"codeberg.org/hoy/hoy/engine/cli/format"
	"codeberg.org/hoy/hoy/engine/rootless"
)

type psOptions struct {
	all, latest, noTrunc, quiet bool
	size                        bool
	last                        int
	format                      string
	filters                     filters
}

func psCommand(s *session) *command {
	o := psOptions{last: -1}
	return &command{
		args:    "[OPTIONS]",
		short:   "List containers",
		aliases: []string{"container ls", "container list", "container ps", "ps"},
		flags: []*flags.Flag{
			flags.Bool(&o.all, "all,a", "Show all containers (default shows just running)"),
			filterFlag(&o.filters, "filter,f", "Filter output based on conditions provided", psFilters...),
			formatFlag(&o.format),
			flags.Int(&o.last, "last,n", "Show n last created containers (includes all states)"),
			flags.Bool(&o.latest, "latest,l", "Show the latest created container (includes all states)"),
			flags.Bool(&o.noTrunc, "no-trunc", "Don't truncate output"),
			flags.Bool(&o.quiet, "quiet,q", "Only display container IDs"),
			flags.Bool(&o.size, "size,s", "Display total file sizes"),
		},
		run: func(ctx context.Context, _ []string) error { return s.ps(ctx, o) },
	}
}

func (s *session) ps(ctx context.Context, o psOptions) error {
	if o.format != "" && o.quiet {
		fmt.Fprintln(s.Err, "WARNING: Ignoring custom format, because both --format and --quiet are set.")
	}
	if o.latest && o.last == -1 {
		o.last = 1
	}
	text := psTable.Template(o.format, o.quiet)
	if o.size && text == psTable.Default {
		text += `\t{{.Size}}`
	}
	if o.size = !o.quiet && (o.size || strings.Contains(text, ".Size")); o.size && outside() {
		return status(rootless.Inside()) // files of subordinate ids are to be counted
	}
	// A template that cannot work is an error also when there is no container.
	if err := format.Write(io.Discard, psTable, text, []psRow{{}}); err != nil {
		return err
	}
	e, err := s.open()
	if err != nil {
		return err
	}
	list, listErr := e.List(engine.ListOptions{All: o.all || o.last > 0 || len(o.filters["status"]) > 0})
	list, err = o.filters.containers(e, list)
	if err != nil {
		return err
	}
	if o.last > 0 && len(list) > o.last {
		list = list[:o.last]
	}
	rows := make([]psRow, len(list))
	for i, c := range list {
		rows[i] = newPsRow(c, e.Ports(c), !o.noTrunc)
		if o.size {
			own, virtual := e.Size(ctx, c)
			rows[i].Size = fmt.Sprintf("%s (virtual %s)", format.Size(own), format.Size(virtual))
		}
	}
	return errors.Join(format.Write(s.Out, psTable, text, rows), listErr)
}

// formatFlag is --format of the commands that list.
func formatFlag(p *string) *flags.Flag {
	return flags.String(p, "format", `Format output using a custom template:
'table':            Print output in table format with column headers (default)
'table TEMPLATE':   Print output in table format using the given Go template
'json':             Print in JSON format
'TEMPLATE':         Print output using the given Go template.
Refer to https://docs.docker.com/go/formatting/ for more information about formatting output with templates`).
		OneOf("json", "table")
}

// objectFormatFlag is --format of the commands that show objects.
func objectFormatFlag(p *string) *flags.Flag {
	return flags.String(p, "format,f", `Format output using a custom template:
'json':             Print in JSON format
'TEMPLATE':         Print output using the given Go template.
Refer to https://docs.docker.com/go/formatting/ for more information about formatting output with templates`).
		OneOf("json")
}

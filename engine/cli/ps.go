package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"codeberg.org/hoy/hoy/engine"
	"codeberg.org/hoy/hoy/engine/cli/flags"
	"codeberg.org/hoy/hoy/engine/cli/format"
	"codeberg.org/hoy/hoy/engine/rootless"
)

type psOptions struct {
	all, latest, noTrunc, quiet bool
	size                        bool
	last                        int
	format, sort                string
	noHeading                   bool
	watch                       int // seconds between two looks; 0: one look
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
			flags.Bool(&o.noHeading, "noheading", "Do not print the table's head"),
			flags.Bool(&o.noTrunc, "no-trunc", "Don't truncate output"),
			flags.Bool(&o.quiet, "quiet,q", "Only display container IDs"),
			flags.Bool(&o.size, "size,s", "Display total file sizes"),
			flags.Func(keepOne(&o.sort, checkSort), "sort", "Sort output by "+strings.Join(psKeys, ", ")).As("string").OneOf(psKeys...),
			flags.Bool(new(bool), "sync", "Sync container state, as every look does").Hide(),
			flags.Int(&o.watch, "watch,w", "Watch the output on an interval in seconds"),
		},
		run: func(ctx context.Context, _ []string) error { return s.watchPs(ctx, o) },
	}
}

// watchPs is `ps`, again and again with --watch.
func (s *session) watchPs(ctx context.Context, o psOptions) error {
	if o.watch <= 0 {
		return s.ps(ctx, o)
	}
	ctx, done := s.interruptible(ctx)
	defer done()
	for {
		if isTerminal(s.Out) {
			fmt.Fprint(s.Out, "\033[H\033[J")
		}
		if err := s.ps(ctx, o); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return errDone
		case <-time.After(time.Duration(o.watch) * time.Second):
		}
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
	if o.size = !o.quiet && (o.size || strings.Contains(text, ".Size")) || o.sort == "size"; o.size && outside() {
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
	if o.sort != "" {
		sortContainers(list, o.sort, func(c *engine.Container) int64 { own, _ := e.Size(ctx, c); return own })
	}
	rows := make([]psRow, len(list))
	for i, c := range list {
		rows[i] = newPsRow(c, e.Ports(c), !o.noTrunc)
		if o.size {
			own, virtual := e.Size(ctx, c)
			rows[i].Size = fmt.Sprintf("%s (virtual %s)", format.Size(own), format.Size(virtual))
		}
	}
	var out bytes.Buffer
	err = format.Write(&out, psTable, text, rows)
	if o.noHeading && strings.HasPrefix(text, "table") {
		out.ReadBytes('\n')
	}
	out.WriteTo(s.Out)
	return errors.Join(err, listErr)
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

const objectFormatUsage = `Format output using a custom template:
'json':             Print in JSON format
'TEMPLATE':         Print output using the given Go template.
Refer to https://docs.docker.com/go/formatting/ for more information about formatting output with templates`

// objectFormatFlag is --format of the commands that show objects.
func objectFormatFlag(p *string) *flags.Flag {
	return flags.String(p, "format,f", objectFormatUsage).OneOf("json")
}

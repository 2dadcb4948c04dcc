package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"time"

	"codeberg.org/hoy/hoy/engine"
	"codeberg.org/hoy/hoy/engine/cli/flags"
	"codeberg.org/hoy/hoy/engine/cli/format"
)

// statsPeriod is how long one look at the containers lasts, and the time between two.
const statsPeriod = time.Second

type statsOptions struct {
	all, noStream, noTrunc bool
	format                 string
	refs                   []string
	latest                 bool
}

func statsCommand(s *session) *command {
	var o statsOptions
	return &command{
		args:     "[OPTIONS] [CONTAINER...]",
		short:    "Display a live stream of container(s) resource usage statistics",
		aliases:  []string{"container stats", "stats"},
		max:      -1,
		complete: runningContainers,
		flags: []*flags.Flag{
			flags.Bool(&o.all, "all,a", "Show all containers (default shows just running)"),
			formatFlag(&o.format),
			latestFlag(&o.latest),
			flags.Bool(&o.noStream, "no-stream", "Disable streaming stats and only pull the first result"),
			flags.Bool(&o.noTrunc, "no-trunc", "Do not truncate output"),
		},
		run: func(ctx context.Context, args []string) error {
			var err error
			if o.refs, err = s.refs(&selection{latest: o.latest}, args); err != nil {
				return err
			}
			return s.stats(ctx, o)
		},
	}
}

func (s *session) stats(ctx context.Context, o statsOptions) error {
	text := statsTable.Template(o.format, false)
	if err := format.Write(io.Discard, statsTable, text, []statsRow{{}}); err != nil {
		return err
	}
	e, err := s.open()
	if err != nil {
		return err
	}
	ctx, done := s.interruptible(ctx)
	defer done()
	before := map[string]*engine.Stats{}
	for first := true; ; first = false {
		list, err := s.statsContainers(e, o)
		if err != nil {
			return err
		}
		rows := look(e, list, before, !o.noTrunc)
		if !first || len(before) == 0 { // what a CPU did needs two looks, if anything runs
			if err := s.printStats(text, rows, !o.noStream && isTerminal(s.Out)); err != nil || o.noStream {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return errDone
		case <-time.After(statsPeriod):
		}
	}
}

// statsContainers are the containers that were named, or all that run.
func (s *session) statsContainers(e *engine.Engine, o statsOptions) ([]*engine.Container, error) {
	if len(o.refs) == 0 {
		return e.List(engine.ListOptions{All: o.all})
	}
	var list []*engine.Container
	for _, ref := range o.refs {
		c, err := e.Find(ref)
		if err != nil {
			return nil, err
		}
		list = append(list, c)
	}
	return list, nil
}

// look makes a row of each container, and puts what it saw into before.
func look(e *engine.Engine, list []*engine.Container, before map[string]*engine.Stats, short bool) []statsRow {
	var rows []statsRow
	for _, c := range list {
		now, err := e.Stats(c)
		if err != nil {
			now = nil // it does not run, or is ending: a row without values, as Docker shows it
		}
		rows = append(rows, newStatsRow(c, before[c.ID()], now, short))
		if now != nil {
			before[c.ID()] = now
		}
	}
	return rows
}

// printStats prints the table, on a terminal in the place of the one before.
func (s *session) printStats(text string, rows []statsRow, live bool) error {
	var b bytes.Buffer
	if live {
		b.WriteString("\033[H\033[J")
	}
	if err := format.Write(&b, statsTable, text, rows); err != nil {
		return err
	}
	_, err := s.Out.Write(b.Bytes())
	return err
}

// statsTable is Docker's. Source: docker/cli, cli/command/container/formatter_stats.go.
var statsTable = format.Table{
	Default: `table {{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t{{.NetIO}}\t{{.BlockIO}}\t{{.PIDs}}`,
	Headers: map[string]string{
		"Container": "CONTAINER", "ID": "CONTAINER ID", "Name": "NAME", "CPUPerc": "CPU %", "MemUsage": "MEM USAGE / LIMIT",
		"MemPerc": "MEM %", "NetIO": "NET I/O", "BlockIO": "BLOCK I/O", "PIDs": "PIDS",
	},
}

// statsRow is a container as `stats` shows it. The fields are in the order that --format json gives them in.
type statsRow struct {
	BlockIO   string
	CPUPerc   string
	Container string
	ID        string
	MemPerc   string
	MemUsage  string
	Name      string
	NetIO     string
	PIDs      string
}

func newStatsRow(c *engine.Container, before, now *engine.Stats, short bool) statsRow {
	r := statsRow{Container: c.ID(), ID: c.ID(), Name: c.Name()}
	if short {
		r.Container, r.ID = format.ShortID(r.ID), format.ShortID(r.ID)
	}
	if now == nil {
		r.CPUPerc, r.MemUsage, r.MemPerc, r.NetIO, r.BlockIO, r.PIDs = "--", "-- / --", "--", "--", "--", "--"
		return r
	}
	r.CPUPerc = fmt.Sprintf("%.2f%%", cpuPercent(before, now))
	r.MemUsage = format.Memory(int64(now.Memory)) + " / " + format.Memory(int64(now.MemoryLimit))
	r.MemPerc = fmt.Sprintf("%.2f%%", 100*float64(now.Memory)/float64(max(now.MemoryLimit, 1)))
	r.NetIO = format.Size(int64(now.Received)) + " / " + format.Size(int64(now.Transmitted))
	r.BlockIO = format.Size(int64(now.Read)) + " / " + format.Size(int64(now.Write))
	r.PIDs = fmt.Sprint(now.Pids)
	return r
}

// cpuPercent is 100 for one CPU that was busy all the time between two looks.
func cpuPercent(before, now *engine.Stats) float64 {
	if before == nil || now.CPU < before.CPU || !now.Time.After(before.Time) {
		return 0
	}
	return 100 * float64(now.CPU-before.CPU) / float64(now.Time.Sub(before.Time))
}

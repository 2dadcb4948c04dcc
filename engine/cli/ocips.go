package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"text/tabwriter"

	"codeberg.org/hoy/hoy/cgroups"
	"codeberg.org/hoy/hoy/engine/bundle"
	"codeberg.org/hoy/hoy/engine/cli/flags"
	"codeberg.org/hoy/hoy/engine/procps"
)

func ociPsCommand(s *session) *command {
	format := "table"
	return &command{
		args:    "[OPTIONS] CONTAINER [PS OPTIONS]",
		short:   "List the processes of a container",
		min:     1,
		max:     -1,
		ordered: true,
		flags:   []*flags.Flag{flags.String(&format, "format,f", "Format of the list").OneOf("table", "json")},
		run: s.runtimeRun("ps", func(r *bundle.Runtime, args []string) error {
			c, err := r.Load(args[0])
			if err != nil {
				return err
			}
			pids, err := ociPids(c)
			if err != nil {
				return err
			}
			if format == "json" {
				return s.printJSON(pids, "")
			}
			if format != "table" {
				return errors.New("invalid format option")
			}
			return s.processTable(args[1:], pids)
		}),
	}
}

// ociPids are the processes in the container's control group, or, where it has none, its first one and what came of that.
func ociPids(c *bundle.Container) ([]int, error) {
	pids := []int{}
	if c.Group == nil {
		if !c.Process.Alive() {
			return pids, nil
		}
		return procps.Tree(c.Process.Pid, true)
	}
	found, err := c.Group.Pids()
	if errors.Is(err, fs.ErrNotExist) {
		return pids, nil
	}
	return append(pids, found...), err
}

func (s *session) processTable(options []string, pids []int) error {
	if len(options) == 0 {
		options = []string{"-ef"}
	}
	columns, err := procps.Parse(options)
	if err != nil {
		return err
	}
	titles, rows, err := procps.Table(columns, pids)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(s.Out, 1, 1, 3, ' ', 0)
	fmt.Fprintln(w, strings.Join(titles, "\t"))
	for _, row := range rows {
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	return w.Flush()
}

func ociPauseCommand(s *session) *command {
	return s.freezeCommand("pause", "Stop all processes of a container where they are", func(c *bundle.Container) error {
		if c.Status != "running" && c.Status != "created" {
			return fmt.Errorf("container not running or created: %s", c.Status)
		}
		return cgroups.Freeze(c.Group, true)
	})
}

func ociResumeCommand(s *session) *command {
	return s.freezeCommand("resume", "Let the processes of a paused container go on", func(c *bundle.Container) error {
		if c.Status != bundle.StatusPaused {
			return bundle.ErrNotPaused
		}
		return cgroups.Freeze(c.Group, false)
	})
}

func (s *session) freezeCommand(name, short string, do func(*bundle.Container) error) *command {
	return &command{
		args:  "CONTAINER",
		short: short,
		min:   1,
		max:   1,
		run: s.runtimeRun(name, func(r *bundle.Runtime, args []string) error {
			c, err := r.Load(args[0])
			if err != nil {
				return err
			}
			return do(c)
		}),
	}
}

package cli

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"codeberg.org/hoy/hoy/engine"
	"codeberg.org/hoy/hoy/engine/cli/flags"
)

type logsOptions struct {
	engine.LogsOptions
	since, until, tail string
	latest, names      bool
}

func logsCommand(s *session) *command {
	o := logsOptions{tail: "all"}
	const when = ` timestamp (e.g. "2013-01-02T13:23:37Z") or relative (e.g. "42m" for 42 minutes)`
	return &command{
		args:     "[OPTIONS] CONTAINER",
		short:    "Fetch the logs of a container",
		aliases:  []string{"container logs", "logs"},
		min:      1,
		max:      1,
		complete: first(allContainers),
		implied:  one(&o.latest),
		flags: []*flags.Flag{
			flags.Bool(&o.Details, "details", "Show extra details provided to logs"),
			latestFlag(&o.latest),
			flags.Bool(&o.names, "names", "Output the container name in the log"),
			flags.Bool(&o.Follow, "follow,f", "Follow log output"),
			flags.String(&o.since, "since", "Show logs since"+when),
			flags.String(&o.tail, "tail,n", "Number of lines to show from the end of the logs"),
			flags.Bool(&o.Timestamps, "timestamps,t", "Show timestamps"),
			flags.String(&o.until, "until", "Show logs before a"+when),
		},
		run: func(ctx context.Context, args []string) (err error) {
			e, c, _, err := s.oneContainer(o.latest, args)
			if err != nil {
				return err
			}
			if err := o.parse(time.Now()); err != nil {
				return err
			}
			o.Out, o.Err = s.Out, s.Err
			if o.names {
				o.Out, o.Err = named(s.Out, c.Name()), named(s.Err, c.Name())
			}
			err = e.Logs(ctx, c, o.LogsOptions)
			if n := c.LogLost(); n > 0 && err == nil {
				fmt.Fprintf(s.Err, "WARNING: %d lines could not be written to this log: the disk was full, or the log too slow\n", n)
			}
			return err
		},
	}
}

func (o *logsOptions) parse(now time.Time) (err error) {
	if o.Since, err = parseTime(o.since, now); err != nil {
		return fmt.Errorf(`invalid value for "since": %w`, err)
	}
	if o.Until, err = parseTime(o.until, now); err != nil {
		return fmt.Errorf(`invalid value for "until": %w`, err)
	}
	o.Tail = -1
	if n, err := strconv.Atoi(o.tail); err == nil { // Docker: whatever is no number means all
		o.Tail = n
	}
	return nil
}

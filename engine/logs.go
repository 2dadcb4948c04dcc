package engine

import (
	"context"
	"fmt"

	"codeberg.org/hoy/hoy/engine/logfile"
	"codeberg.org/hoy/hoy/engine/monitor"
)

// Logs writes what the container has written; with Follow, until its run ends.
func (e *Engine) Logs(ctx context.Context, c *Container, o LogsOptions) error {
	if err := c.usable(); err != nil {
		return err
	}
	l, err := c.Config.Log()
	if err != nil {
		return err
	}
	if l.MaxFiles == 0 {
		return fmt.Errorf("configured logging driver does not support reading: %s", l.Driver)
	}
	read := logfile.Options{
		Out: o.Out, Err: o.Err, Tail: o.Tail, Since: o.Since, Until: o.Until, Timestamps: o.Timestamps, Details: o.Details,
	}
	if o.Follow && (c.Running() || c.Restarting()) {
		if !o.Until.IsZero() {
			var cancel context.CancelFunc
			ctx, cancel = context.WithDeadline(ctx, o.Until)
			defer cancel()
		}
		t, err := e.newTail(ctx, c) // before the files are opened, so that nothing is missed
		if err != nil {
			return err
		}
		defer t.close()
		read.More = t.more
	}
	return logfile.Read(c.LogPath(), read)
}

// LogLost says how many lines of the container's last run could not be logged: the disk was full, or too slow for a log that the container does not wait for.
func (c *Container) LogLost() int {
	if c.Running() {
		return monitor.LostLines(c.place)
	}
	return c.State.LogLost
}

package monitor

import (
	"syscall"
	"time"
)

// expiry kills a run that takes longer than --timeout. Source: Podman, `run --timeout`.
type expiry struct{ timer *time.Timer }

// after sends SIGKILL when d has passed; 0: never.
func (e *expiry) after(d time.Duration, send func(syscall.Signal)) {
	if d > 0 {
		e.timer = time.AfterFunc(d, func() { send(syscall.SIGKILL) })
	}
}

// stop is for a run that has ended in time.
func (e *expiry) stop() {
	if e.timer != nil {
		e.timer.Stop()
	}
}

package monitor

import (
	"errors"
	"os"
	"time"

	"codeberg.org/hoy/hoy/oci/restart"
	"codeberg.org/hoy/hoy/oci/runtime"
)

// Again is the start that a container waits for, as its restart policy says. It is worth nothing after a boot.
type Again struct {
	At     time.Time `json:"at"`
	BootID string    `json:"bootId"`
}

// Pending says whether the start is still to come. Nil is none.
func (a *Again) Pending() bool { return a != nil && a.BootID == runtime.BootID() }

// Ending is how a run of a container has ended.
type Ending struct {
	Code      int
	OOMKilled bool
	Finished  time.Time
	Ran       time.Duration
	Policy    restart.Policy
}

// Ended gives the state after a run: at rest, or waiting to be started again. A run that began before this boot is never followed by another.
func (s State) Ended(p Place, e Ending) State {
	mark, current := p.mark(), s.Process != nil && s.Process.BootID == runtime.BootID()
	s.Process, s.Again, s.Stopped = nil, nil, mark == markSent || mark == markFinal
	s.ExitCode, s.OOMKilled, s.FinishedAt, s.Health = e.Code, e.OOMKilled, e.Finished, p.lastHealth()
	s.LogLost = LostLines(p)
	if !current || !e.Policy.Any() && mark != markRestart || mark == markFinal {
		return s
	}
	history, again := e.Policy.After(s.History, restart.End{Code: e.Code, Ran: e.Ran, Stopped: s.Stopped})
	if mark == markRestart {
		history, again = restart.History{Restarts: s.Restarts + 1}, true
	}
	if again {
		s.History = history
		s.Again = &Again{At: e.Finished.Add(history.Delay), BootID: runtime.BootID()}
	}
	return s
}

// The marks that users leave in the run directory of a container that they send a signal, before they send it, so that its monitor, or the one that
// takes over, knows that its end is wanted. Source: moby, daemon/kill.go (HasBeenManuallyStopped, ExitOnNext).
const (
	markNone  = ""
	markSent  = "sent"  // restart.UnlessStopped takes the next end for wanted
	markFinal = "final" // every policy does
	// markRestart: another run follows, whatever the policy is.
	markRestart = "restart"
)

const (
	markFile    = "stop"    // holds markSent or markFinal
	restartFile = "restart" // markRestart, of which a user who stops the container knows nothing
)

// MarkRestart leaves the mark that a run is ended for another one to begin: its monitor starts it, and does not remove a container with --rm.
func MarkRestart(p Place) error {
	return writeNew(p.RunFile(restartFile), nil, 0o600, Fleeting)
}

// MarkStopped leaves the mark that a user ends the container; final: whatever its restart policy is.
func MarkStopped(p Place, final bool) error {
	if final {
		return writeNew(p.RunFile(markFile), []byte(markFinal), 0o600, Fleeting)
	}
	f, err := os.OpenFile(p.RunFile(markFile), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = f.WriteString(markSent)
	return errors.Join(err, f.Close())
}

// mark is what was left, the strongest of it. A file that is just being written is one of a user who is about to send a signal.
func (p Place) mark() string {
	data, err := os.ReadFile(p.RunFile(markFile))
	if err == nil && string(data) != markSent {
		return markFinal
	}
	if _, failed := os.Stat(p.RunFile(restartFile)); failed == nil {
		return markRestart
	}
	return string(data)
}

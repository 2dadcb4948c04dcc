package monitor

import (
	"encoding/json"
	"errors"
	"os"
	"syscall"
	"time"

	"codeberg.org/hoy/hoy/oci/health"
	"codeberg.org/hoy/hoy/oci/restart"
	"codeberg.org/hoy/hoy/oci/runtime"
)

// StateVersion is the version that state.json carries.
const StateVersion = 1

// CodeUnknown is the exit code of a container whose end nobody saw. It is Docker's.
const CodeUnknown = 255

// State is what state.json holds: what cannot be asked of the kernel later. Only the holder of the container's lock writes it.
type State struct {
	Version    int          `json:"version"`
	Process    *runtime.Ref `json:"process,omitempty"` // from just before it runs until it has ended
	StartedAt  time.Time    `json:"startedAt,omitzero"`
	FinishedAt time.Time    `json:"finishedAt,omitzero"`
	ExitCode   int          `json:"exitCode"`
	Error      string       `json:"error,omitempty"` // why the last start did not succeed
	OOMKilled  bool         `json:"oomKilled,omitempty"`

	LogLost int `json:"logLost,omitempty"` // lines of the last run that could not be logged

	Health *health.Status `json:"health,omitempty"` // what its health check had found when it ended; while it runs that is in the run directory

	restart.History        // since a user started it
	Again           *Again `json:"again,omitempty"`   // it waits to be started again
	Stopped         bool   `json:"stopped,omitempty"` // a user has ended it: UnlessStopped does not start it at boot
}

// ReadState reads the container's state. A container that was never started has the zero State.
func ReadState(p Place) (State, error) {
	var s State
	err := ReadJSON(p.File(StateFile), &s, StateVersion)
	if errors.Is(err, os.ErrNotExist) {
		return State{}, nil
	}
	return s, err
}

// WriteState replaces the container's state.
func WriteState(p Place, s State, d Durability) error {
	s.Version = StateVersion
	err := WriteJSON(p.File(StateFile), s, d)
	if errors.Is(err, syscall.ENOSPC) && overwrite(p.File(StateFile), s) == nil {
		return nil
	}
	return err
}

// overwrite writes a state over the one that is there, on a full disk: the block that it is in is ours already. The exit code is worth the moment in
// which a reader may see half of it.
func overwrite(name string, s State) error {
	data, err := json.Marshal(s)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(data, 0)
	if err == nil {
		err = f.Truncate(int64(len(data)))
	}
	return errors.Join(err, f.Sync(), f.Close())
}

// Lost gives the state of a container whose end nobody saw, as Ended does. Its exit code is CodeUnknown, but where its process has not been reaped yet.
func (s State) Lost(p Place, policy restart.Policy) State {
	now := time.Now().UTC()
	e := Ending{Code: CodeUnknown, Finished: now, Ran: now.Sub(s.StartedAt), Policy: policy}
	if s.Process != nil {
		if status, ok := zombie(*s.Process); ok {
			e.Code = status.Code
		}
	}
	return s.Ended(p, e)
}

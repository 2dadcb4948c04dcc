package monitor

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/opencontainers/runtime-spec/specs-go"

	"codeberg.org/hoy/hoy/oci/runtime"
)

// hookState is what hooks get on their standard input.
func (s *Settings) hookState(status specs.ContainerState, pid int) ([]byte, error) {
	state := *s.Hooked
	state.Status, state.Pid = status, pid
	return json.Marshal(state)
}

// mounted runs the hooks of a container that is mounted, and gives the state for those that the child runs.
func (k *keeper) mounted(p *runtime.Process) ([]byte, error) {
	state, err := k.s.hookState(specs.StateCreating, p.Pid)
	if err != nil {
		return nil, err
	}
	k.hooked = true
	return state, k.s.Plan.Hooks.Mounted(state)
}

// letGo lets the container's command run.
func (k *keeper) letGo(p *runtime.Process) error {
	if k.s.Hooked == nil {
		return p.Go()
	}
	state, err := k.s.hookState(specs.StateCreated, p.Pid)
	if err != nil {
		return err
	}
	k.hooked = true
	return p.GoWith(state)
}

// startHooks runs the hooks of a container whose command runs: its starter waits for them.
func (k *keeper) startHooks(pid int) {
	if k.s.Hooked == nil {
		return
	}
	state, err := k.s.hookState(specs.StateRunning, pid)
	if err != nil {
		k.say(err)
		return
	}
	k.s.Plan.Hooks.Started(state, k.say)
}

// stopHooks runs the hooks of a container that has ended, before that is recorded. They run too where a start has failed after other hooks have run.
func (k *keeper) stopHooks() {
	if k.hooked {
		k.hooked = false
		k.s.stopHooks(k.say)
	}
}

// say tells of a hook whose failure changes nothing: in the foreground the caller, in any case who watches events.
func (k *keeper) say(err error) {
	if k.s.Foreground {
		fmt.Fprintln(os.Stderr, "hoy: warning:", err)
	}
	k.happened("hook_failed", "error", err.Error())
}

func (s *Settings) stopHooks(say func(error)) {
	state, err := s.hookState(specs.StateStopped, 0)
	if err != nil {
		say(err)
		return
	}
	s.Plan.Hooks.Stopped(state, say)
}

// StopHooks runs the hooks of a container whose end nobody saw, under its lock.
func StopHooks(p Place, say func(error)) {
	if s := hooked(p); s != nil {
		s.stopHooks(say)
	}
}

// HasStopHooks says whether StopHooks has anything to do.
func HasStopHooks(p Place) bool { return hooked(p) != nil }

// hooked are the settings of a container that was started in this boot with hooks for its end.
func hooked(p Place) *Settings {
	s, err := ReadSettings(p)
	if err != nil || s.Hooked == nil || len(s.Plan.Hooks.Poststop) == 0 {
		return nil
	}
	return s
}

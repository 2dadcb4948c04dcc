package monitor

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"syscall"

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
	return state, k.s.Plan.Hooks.Mounted(k.beginHooks(p), state)
}

// hooking is a start while its hooks run.
type hooking struct {
	process *runtime.Process
	cancel  context.CancelFunc
}

// beginHooks lets hooks be interrupted: our own by the context, the child's with the child.
func (k *keeper) beginHooks(p *runtime.Process) context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	k.hooked = true
	k.hooking.Store(&hooking{p, cancel})
	left := k.hub.starterLeft()
	go func() {
		select {
		case <-left:
			k.interrupt()
		case <-ctx.Done():
		}
	}()
	if k.stopped.Load() || k.aborted() {
		k.interrupt()
	}
	return ctx
}

// endHooks comes when the hooks of a start have ended, and it with err. That of an interrupted one is that it was.
func (k *keeper) endHooks(err error) error {
	h := k.hooking.Swap(nil)
	if h == nil {
		return err
	}
	h.cancel()
	if err != nil && k.stopped.Load() {
		return errAborted
	}
	return err
}

// interrupt ends a start that is under way: at once while its hooks run, else before the command would.
func (k *keeper) interrupt() {
	k.stopped.Store(true)
	if h := k.hooking.Load(); h != nil {
		h.process.Signal(syscall.SIGKILL)
		h.cancel()
	}
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
	k.beginHooks(p)
	err = k.endHooks(p.GoWith(state))
	if err == nil && k.stopped.Load() { // the child's death looks like its execve
		p.Kill()
		return errAborted
	}
	return err
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

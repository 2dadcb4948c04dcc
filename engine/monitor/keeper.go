package monitor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"codeberg.org/hoy/hoy/oci/runtime"
)

// errAborted says that the caller went away before the container's command ran.
var errAborted = fmt.Errorf("interrupted before the container's command ran: %w", context.Canceled)

// keeper is one container being kept.
type keeper struct {
	s        *Settings
	lock     *os.File
	stdio    stdio
	hub      *hub
	input    input
	log      *logger // nil: none is kept
	listener *os.File
	console  *os.File // the terminal's master, or nil
	pumps    pumps
	serve    NetworkServer  // nil: no network can be served
	network  NetworkService // or nil
	waiter   waiter
	process  atomic.Pointer[runtime.Process] // once its command runs: where signals go
	before   State                           // as it was before this start

	extra   map[Streams]sink // foreground: where the caller wants a stream
	aborted func() bool      // whether the caller went away; asked before the command runs
	stopped atomic.Bool      // a signal came before the command ran
}

// waiter is the container's process: our child, or one that a killed monitor left.
type waiter interface {
	Wait() (runtime.ExitStatus, error)
}

func newKeeper(s *Settings, lock *os.File) *keeper {
	k := &keeper{s: s, lock: lock, extra: map[Streams]sink{}, aborted: func() bool { return false }}
	k.hub = newHub(&k.input, k.resize, k.passOn)
	if s.Log {
		k.log = newLogger(s.File(LogFile))
	}
	return k
}

// start brings the container to life: when it returns nil, its command runs. On an error all is undone but the lock.
func (k *keeper) start() error {
	var err error
	if k.before, err = ReadState(k.s.Place); err != nil {
		return err
	}
	o := runtime.StartOptions{
		Stdin:          k.stdio.theirs[0],
		Stdout:         k.stdio.theirs[1],
		Stderr:         k.stdio.theirs[2],
		KillWithParent: k.s.Foreground,
	}
	if err := k.takeNetwork(); err != nil {
		return err
	}
	entered, err := k.enter(&o)
	if err != nil {
		return err
	}
	proc, err := runtime.Start(k.s.Plan, o)
	entered()
	k.stdio.started()
	if err != nil {
		return err
	}
	if err := k.ready(proc); err != nil {
		proc.Kill()
		return err
	}
	if err := proc.Go(); err != nil {
		return err
	}
	k.waiter = proc
	k.process.Store(proc)
	k.hub.begin()
	if k.network != nil {
		k.network.Start()
	}
	k.startPumps() // now: no client gets output before it has been told that the container runs
	return nil
}

// takeNetwork takes over the container's network, and tells the plan where its namespace is.
func (k *keeper) takeNetwork() (err error) {
	if k.s.Network == nil {
		return nil
	}
	if k.network, err = k.serve(k.s.Place, k.s.Network, 0); err != nil {
		return err
	}
	for i := range k.s.Plan.Join {
		if j := &k.s.Plan.Join[i]; j.Type == unix.CLONE_NEWNET {
			j.Path = k.network.Path()
		}
	}
	return nil
}

// ready does what has to be done between the container's birth and its command's: from here on a look at the state finds it, so that
// no container ever runs that nobody knows of.
func (k *keeper) ready(proc *runtime.Process) error {
	ref := proc.Ref()
	state := State{Process: &ref, StartedAt: time.Now().UTC(), FinishedAt: k.before.FinishedAt}
	if err := WriteState(k.s.Place, state, Fleeting); err != nil {
		return err
	}
	var err error
	if k.listener, err = listen(k.s.RunFile(socketFile)); err != nil {
		return err
	}
	if k.console = proc.Console; k.console != nil {
		k.input.file = k.console
	}
	k.connectInput()
	go k.hub.serve(k.listener)
	if k.stopped.Load() || k.aborted() {
		return errAborted
	}
	return k.settle()
}

// connectInput is where the clients' input goes.
func (k *keeper) connectInput() {
	if k.stdio.ours[0] != nil {
		k.input.file = k.stdio.ours[0]
	}
	k.input.once = k.s.StdinOnce && k.console == nil
}

// startPumps begins to read what the container writes.
func (k *keeper) startPumps() {
	if k.console != nil {
		k.pumps.add(k.console, Stdout, k.sinks(Stdout))
	}
	for i, s := range []Streams{1: Stdout, 2: Stderr} {
		if f := k.stdio.ours[i]; f != nil && i > 0 {
			k.pumps.add(f, s, k.sinks(s))
		}
	}
}

func (k *keeper) sinks(s Streams) []sink {
	var list []sink
	if k.log != nil {
		list = append(list, k.log.output)
	}
	if to := k.extra[s]; to != nil {
		list = append(list, to)
	}
	return append(list, k.hub.output)
}

func (k *keeper) resize(z Size) {
	if k.console != nil && z != (Size{}) {
		setSize(k.console, z)
	}
}

// keep waits for the container's end and records it. It returns the exit code.
func (k *keeper) keep() (int, error) {
	status, err := k.waiter.Wait()
	if err != nil {
		return CodeUnknown, fmt.Errorf("wait for container %s: %w", k.s.ID, err)
	}
	finished := time.Now().UTC()
	k.pumps.finish()
	done := k.pumps.done()
	select {
	case <-done:
	case <-time.After(2 * time.Second): // a client that reads slowly does not delay the record of the end
	}
	err = k.record(status.Code, finished)
	<-done
	k.release()
	k.hub.end(exitFrame(status.Code))
	return status.Code, err
}

// record writes down that the container has ended or, with --rm, removes it.
func (k *keeper) record(code int, finished time.Time) error {
	if k.s.AutoRemove {
		return Erase(k.s.Place, k.s.Volumes)
	}
	state, err := ReadState(k.s.Place)
	if err != nil {
		state = State{} // it is ours alone to write: what is there is worth nothing
	}
	state.Process, state.ExitCode, state.FinishedAt, state.OOMKilled = nil, code, finished, k.oomKilled()
	return WriteState(k.s.Place, state, Durable)
}

// fail undoes a start that failed: the container is as it was before but for the error, or, with --rm, gone.
// It gives the reason, with what went wrong besides.
func (k *keeper) fail(reason error) error {
	failure := NewFailure(reason)
	var err error
	if k.s.AutoRemove {
		err = Erase(k.s.Place, k.s.Volumes)
	} else {
		k.before.Process, k.before.ExitCode, k.before.Error = nil, failure.Code, failure.Text
		err = WriteState(k.s.Place, k.before, Fleeting)
	}
	k.release()
	k.hub.end(failureFrame(failure))
	return errors.Join(reason, err)
}

// release gives up everything of this run but the clients: the name in the file system of each thing goes first, the lock last.
func (k *keeper) release() {
	if k.listener != nil {
		k.listener.Close()
	}
	k.stdio.close()
	k.input.close()
	if k.console != nil {
		k.console.Close()
	}
	if k.log != nil {
		k.log.close()
	}
	if k.network == nil && k.s.Network != nil {
		k.s.Network.Close()
	}
	if k.network != nil {
		k.network.Close()
	}
	RemoveRunDir(k.s.Place)
	k.lock.Close()
	if n := k.s.Network; n != nil && n.Joined { // it was on a network, of which only others can take it
		Heal(k.s.Place)
	}
}

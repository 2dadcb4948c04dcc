package monitor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"codeberg.org/hoy/hoy/netns/wake"
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
	console  atomic.Pointer[os.File] // the terminal's master, or nil
	pumps    pumps
	network  *wake.Keeper // or nil
	hubs     hubs
	waiter   waiter
	process  atomic.Pointer[runtime.Process] // once its command runs: where signals go
	orphan   atomic.Pointer[orphan]          // or here, when another monitor has started it
	before   State                           // as it was before this start
	began    time.Time                       // when its command began
	expire   expiry                          // --timeout
	grace    expiry                          // of a run that the health check ends
	prober   atomic.Pointer[prober]          // while a container with a health check runs
	killed   uint64                          // how many processes the kernel had killed for want of memory before this run
	hooking  atomic.Pointer[hooking]         // while hooks of a start run

	again   *Again        // the run has ended, and the container waits for this one
	foreign bool          // another monitor, which was killed, has started it
	hooked  bool          // hooks have run, and those of the end are to
	grouped bool          // it has control groups from the start
	leaving atomic.Bool   // the monitor is to end
	nudged  chan struct{} // wakes await
	gate    gate          // before the next run

	sealed  *runtime.Sealed  // foreground: the executable, which its caller has sealed; nil: it is sealed when it is needed
	ahead   *runtime.Ahead   // foreground: its process, when it was started before; nil: it was not
	caught  <-chan struct{}  // foreground: closed when the caller's signals are caught
	written chan error       // foreground: what became of the settings' file, once; nil: it has been written
	through []*os.File       // the caller's standard descriptors, with the log driver passthrough
	kept    []*os.File       // the caller's that become the container's, from 3 on
	extra   map[Streams]sink // foreground: where the caller wants a stream
	aborted func() bool      // whether the caller went away; asked before the command runs
	stopped atomic.Bool      // a signal came before the command ran
}

// waiter is the container's process: our child, or one that a killed monitor left.
type waiter interface {
	Wait() (runtime.ExitStatus, error)
}

func newKeeper(s *Settings, lock *os.File) *keeper {
	k := &keeper{s: s, lock: lock, extra: map[Streams]sink{}, aborted: func() bool { return false }, nudged: make(chan struct{}, 1)}
	k.hub = newHub(&k.input, hubCalls{resize: k.resize, signal: k.passOn, nudge: k.nudge, keep: k.hubs.keep, probe: k.probe, hold: k.hold, unhold: k.unhold})
	k.log = newLogger(s.Place, &s.Log)
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
		ExtraFiles:     k.kept,
		Sealed:         k.sealed,
		Ahead:          k.ahead,
		Hooks:          k.mounted,
	}
	entered, err := k.enter(&o)
	k.killed = k.oomKills()
	k.grouped = o.CgroupFD != nil && k.s.Guard == "" || len(o.CgroupProcs) > 0
	if err != nil {
		return err
	}
	proc, err := runtime.Start(k.s.Plan, o)
	entered()
	k.stdio.started()
	if err = k.endHooks(err); err != nil {
		return err
	}
	if err := k.ready(proc); err != nil {
		proc.Kill()
		return err
	}
	if err := k.letGo(proc); err != nil {
		return err
	}
	k.waiter = proc
	k.process.Store(proc)
	k.hasBegun()
	k.startHooks(proc.Pid)
	k.hub.begin()
	k.serveNetwork()
	k.aborted = func() bool { return false }
	k.expire.after(k.s.Timeout, k.passOn)
	k.notify()
	k.startProbes(proc.Ref(), nil)
	k.startPumps() // now: no client gets output before it has been told that the container runs
	return nil
}

// placeNetwork tells the plan where the network's namespace is.
func (k *keeper) placeNetwork() {
	if k.s.Network == nil {
		return
	}
	for i := range k.s.Plan.Join {
		if j := &k.s.Plan.Join[i]; j.Type == unix.CLONE_NEWNET {
			j.Path = k.s.Network.path()
		}
	}
}

// serveNetwork begins to wait for what the network's parts are needed for. Until now that has waited. The next run of a container has the
// network of the first.
func (k *keeper) serveNetwork() {
	if n := k.s.Network; n != nil && k.network == nil {
		w, err := wake.New(n.Parts, n.Files)
		if err != nil {
			report(err)
			return
		}
		k.network = w
		go w.Run()
	}
}

// ready does what has to be done between the container's birth and its command's: from here on a look at the state finds it, so that
// no container ever runs that nobody knows of.
func (k *keeper) ready(proc *runtime.Process) error {
	ref := proc.Ref()
	k.began = time.Now()
	state := State{Process: &ref, StartedAt: k.began.UTC(), FinishedAt: k.before.FinishedAt}
	if k.before.Again.Pending() {
		state.History = k.before.History
	}
	if err := k.awaitSettings(); err != nil {
		return err
	}
	if k.caught != nil {
		<-k.caught
	}
	if err := WriteState(k.s.Place, state, Fleeting); err != nil {
		return err
	}
	if err := k.writePids(proc.Pid); err != nil {
		return err
	}
	var err error
	if k.listener == nil {
		if k.listener, err = listen(k.s.RunFile(socketFile)); err != nil {
			return err
		}
		go k.hub.serve(k.listener)
	}
	k.console.Store(proc.Console)
	k.connectInput()
	if k.s.mark() == markRestart {
		os.Remove(k.s.RunFile(restartFile))
	}
	if k.stopped.Load() || k.aborted() || k.s.mark() == markFinal {
		return errAborted
	}
	return k.settle()
}

// awaitSettings waits until the settings are written.
func (k *keeper) awaitSettings() error {
	if k.written == nil {
		return nil
	}
	err := <-k.written
	k.written = nil
	return err
}

// connectInput is where the clients' input goes.
func (k *keeper) connectInput() {
	console := k.console.Load()
	if console != nil {
		k.input.open(console, false)
	} else {
		k.input.open(k.stdio.ours[0], k.s.StdinOnce)
	}
}

// startPumps begins to read what the container writes.
func (k *keeper) startPumps() {
	if c := k.console.Load(); c != nil {
		k.pumps.add(c, Stdout, k.sinks(Stdout))
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
	if c := k.console.Load(); c != nil && z != (Size{}) {
		setSize(c, z)
		k.happened("resize", "height", strconv.Itoa(int(z.Rows)), "width", strconv.Itoa(int(z.Cols)))
	}
}

// fail undoes a start that failed: the container is as it was before but for the error, or, with --rm, gone.
// It gives the reason, with what went wrong besides.
func (k *keeper) fail(reason error) error {
	failure := NewFailure(reason)
	k.stopHooks()
	var err error
	if k.s.AutoRemove {
		err = Erase(k.s.Place, k.s.Volumes)
	} else {
		k.before.Process, k.before.Again = nil, nil
		if !errors.Is(reason, errAborted) || k.s.mark() != markFinal { // else a user has stopped it: it is as after its last run
			k.before.ExitCode, k.before.Error = failure.Code, failure.Text
		}
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
	if c := k.console.Load(); c != nil {
		c.Close()
	}
	if k.log != nil {
		k.log.close()
	}
	if k.network != nil {
		k.network.Close()
	}
	k.s.Network.Close()
	k.hubs.close()
	RemoveRunDir(k.s.Place)
	k.lock.Close()
	if n := k.s.Network; n != nil && n.Joined { // it was on a network, of which only others can take it
		Heal(k.s.Place)
	}
}

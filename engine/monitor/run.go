package monitor

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"codeberg.org/hoy/hoy/netns/wake"
)

// keep waits for the container's end and records it, and starts it again for as long as its restart policy says so. It returns the exit
// code of the last run.
func (k *keeper) keep() (int, error) {
	for {
		code, err := k.attend()
		if k.again == nil || err != nil || k.s.Foreground {
			k.release()
			if k.again != nil && err == nil {
				err = k.giveAway()
			}
			k.hub.end(exitFrame(code))
			return code, err
		}
		k.rest(exitFrame(code))
		if started, err := k.nextRun(); !started {
			return code, err
		}
	}
}

// giveAway has a background monitor start the container again whose first run was the caller's: it got its policy, by `update`, after it was started.
func (k *keeper) giveAway() error {
	lock, err := k.s.Lock()
	if errors.Is(err, ErrLocked) { // somebody who has looked does it
		return nil
	}
	if err != nil {
		return err
	}
	return Resume(k.s.Place, lock)
}

// nextRun waits out the back-off and starts the container again, or has another do that. Where it says no, all is given up.
func (k *keeper) nextRun() (started bool, err error) {
	state, err := ReadState(k.s.Place)
	if err != nil || !k.await() {
		return false, k.cancel(state)
	}
	if k.foreign || k.joinsOthers() || !k.groupStands() {
		return false, k.handOver()
	}
	k.stopped.Store(false)
	if err = k.backgroundStdio(); err == nil {
		k.placeNetwork()
		err = k.start()
	}
	switch {
	case errors.Is(err, errAborted) && k.s.mark() == markFinal:
		return false, k.cancel(state)
	case err != nil:
		return false, k.fail(err)
	}
	return true, nil
}

// attend waits for the end of one run and records it.
func (k *keeper) attend() (int, error) {
	status, err := k.waiter.Wait()
	if err != nil {
		return CodeUnknown, fmt.Errorf("wait for container %s: %w", k.s.ID, err)
	}
	finished := time.Now()
	k.process.Store(nil)
	k.orphan.Store(nil)
	k.expire.stop()
	k.grace.stop()
	k.stopProbes()
	k.pumps.finish()
	done := k.pumps.done()
	select {
	case <-done:
		k.log.endLines() // before anybody can see the end: who waits for it finds a whole log
	case <-time.After(2 * time.Second): // a client that reads slowly does not delay the record of the end
	}
	k.stopHooks()
	err = k.record(status.Code, finished)
	<-done
	return status.Code, err
}

// record writes down that the container has ended or, with --rm, removes it.
func (k *keeper) record(code int, finished time.Time) error {
	brief := ReadBrief(k.s.Place)
	policy := brief.Restart
	if k.leaving.Load() { // the machine goes down, or somebody ends the monitor: nobody wants another run now
		policy.Name = ""
	}
	end := Ending{
		Code: code, OOMKilled: k.oomKills() > k.killed, Finished: finished.UTC(), Ran: finished.Sub(k.began), Policy: policy,
	}
	k.again = nil
	if k.s.AutoRemove && k.s.mark() != markRestart {
		k.hasEnded(brief, end)
		return Erase(k.s.Place, k.s.Volumes)
	}
	state, err := ReadState(k.s.Place)
	if err != nil {
		state = State{} // it is ours alone to write: what is there is worth nothing
	}
	state = state.Ended(k.s.Place, end)
	k.again = state.Again
	err = WriteState(k.s.Place, state, Durability(k.again == nil))
	k.hasEnded(brief, end) // who looks then finds it
	return err
}

// rest gives up what belongs to one run alone, and tells its clients how it ended.
func (k *keeper) rest(last []byte) {
	k.stdio.close()
	k.input.close()
	if c := k.console.Swap(nil); c != nil {
		c.Close()
	}
	k.log.endLines()
	k.waiter, k.pumps = nil, pumps{}
	if !k.grouped { // it was made to pause the container, and has no device filter
		if g, err := k.s.Group(); err == nil && g != nil {
			g.Remove()
			WriteGroup(k.s.Place, nil)
		}
	}
	k.hub.next(last)
}

// joinsOthers says whether the container is in a namespace of another process, whose id may be a third one's by now.
func (k *keeper) joinsOthers() bool {
	for _, j := range k.s.Plan.Join {
		if j.Type != unix.CLONE_NEWNET || k.network == nil {
			return true
		}
	}
	return false
}

// groupStands says whether the container's control groups are still there: those of a systemd scope go with its last process.
func (k *keeper) groupStands() bool {
	g, err := k.s.Group()
	if g == nil {
		return err == nil
	}
	for _, dir := range g.Dirs {
		if _, err := os.Stat(dir); err != nil {
			return false
		}
	}
	return true
}

// await waits until the container is to be started again. It says no when a user has stopped it meanwhile, or the monitor is to end.
func (k *keeper) await() bool {
	timer := time.NewTimer(time.Until(k.again.At))
	defer timer.Stop()
	k.gate.open()
	for due := false; ; {
		stopped := k.s.mark() == markFinal
		if k.leaving.Load() {
			return false
		}
		if (due || stopped) && k.gate.shut() {
			return !stopped
		}
		select {
		case <-timer.C:
			due = true
		case <-k.nudged:
		}
	}
}

// nudge has await look again.
func (k *keeper) nudge() {
	select {
	case k.nudged <- struct{}{}:
	default:
	}
}

// leave is what a background monitor does with a signal of its own: it ends, and with it the container.
func (k *keeper) leave(sig syscall.Signal) {
	k.leaving.Store(true)
	k.nudge()
	k.passOn(sig)
}

// cancel records that the container, whose state after its last run is given, is not started again after all.
func (k *keeper) cancel(state State) error {
	state.Process, state.Again, state.Stopped = nil, nil, k.s.mark() != markNone
	var err error
	if k.s.AutoRemove {
		err = Erase(k.s.Place, k.s.Volumes)
	} else {
		err = WriteState(k.s.Place, state, Durable)
	}
	k.release()
	k.hub.end(exitFrame(state.ExitCode))
	return err
}

// ResumeEnv names the container that a `start` is to start again. That one does not have others do the same.
const ResumeEnv = "HOY_RESUME"

// handOver has the program start the container again as a user would: what it runs in was made by a monitor that was killed, and went with it.
// The state says meanwhile that the container waits, so whoever looks and finds nobody at work does the same.
func (k *keeper) handOver() error {
	k.release()
	k.hub.end(failureFrame(NewFailure(ErrGone)))
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	p, env := k.s.Place, []string{ResumeEnv + "=" + k.s.ID}
	for _, e := range environment() {
		if !strings.HasPrefix(e, "GO") {
			env = append(env, e)
		}
	}
	proc, err := os.StartProcess("/proc/self/exe", []string{"hoy", "--root", p.Root, "--run", p.Run, "start", p.ID}, &os.ProcAttr{
		Dir: "/", Env: env, Files: []*os.File{null, null, os.Stderr}, Sys: &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		return fmt.Errorf("start the container again: %w", err)
	}
	return proc.Release()
}

// resume is a monitor for a container that waits to be started again and whose own monitor was killed.
func (k *keeper) resume() error {
	state, err := ReadState(k.s.Place)
	if err != nil || !state.Again.Pending() {
		k.release()
		return err
	}
	k.again, k.foreign = state.Again, true
	if k.listener, err = listen(k.s.RunFile(socketFile)); err != nil {
		k.release()
		return err
	}
	go k.hub.serve(k.listener)
	wake.ShrinkSoon()
	_, err = k.nextRun()
	k.hub.flush()
	return err
}

package monitor

import (
	"context"
	"os"
	"syscall"

	"codeberg.org/hoy/hoy/oci/runtime"
)

// ForegroundOptions are the caller's side of a container that lives and dies with the caller.
type ForegroundOptions struct {
	In, Out, Err *os.File        // nil: nothing is read, nothing shown
	Kept         []*os.File      // as many as the plan keeps: the container's descriptors from 3 on
	Sealed       *runtime.Sealed // stays the caller's; nil: it is sealed when it is needed
	Ahead        *runtime.Ahead  // the process, when it has been started already; nil: it has not
}

// Foreground starts the container and keeps it in this process until it ends. The caller's signals are the container's. lock is the container's, and closed in the end. ctx may end
// the start, not the container. It returns the container's exit code; a *runtime.StepError or another error when it did not start.
func Foreground(ctx context.Context, s *Settings, lock *os.File, o ForegroundOptions) (int, error) {
	s.Foreground = true
	k := newKeeper(s, lock)
	k.kept = o.Kept
	k.aborted = func() bool { return ctx.Err() != nil }
	caught, stop := catch(k.passOn, firstSignals, otherSignals()) // until the container's process runs they end the start
	defer stop()
	k.caught = caught
	k.sealed, k.ahead = o.Sealed, o.Ahead
	k.placeNetwork()
	k.written = make(chan error, 1)
	go func() { k.written <- WriteSettings(s) }() // it has time until the state says that the container runs
	err := k.foregroundStdio(o)
	if err == nil {
		err = k.start()
	}
	if err != nil {
		k.awaitSettings()
		return 0, k.fail(err)
	}
	code, err := k.keep()
	k.hub.flush()
	return code, err
}

// foregroundStdio connects the caller's descriptors. A terminal of the caller's never enters the container, where it could push input
// back into the caller's shell (TIOCSTI, CVE-2017-5226): a pipe goes between. So it does where a log is kept. Else the descriptor
// itself is handed over, and the container's reads and writes cost what they cost without hoy.
func (k *keeper) foregroundStdio(o ForegroundOptions) error {
	if k.s.OpenStdin && o.In != nil {
		if err := k.foregroundInput(o.In); err != nil {
			return err
		}
	}
	for i, f := range []*os.File{1: o.Out, 2: o.Err} {
		if i == 0 {
			continue
		}
		if f != nil && !k.s.Log.Kept() && !isTerminal(f.Fd()) {
			k.stdio.lend(i, f)
			continue
		}
		if err := k.stdio.pipe(i); err != nil {
			return err
		}
		if f != nil {
			k.extra[Streams(1)<<i] = k.copyTo(f, i)
		}
	}
	return nil
}

func (k *keeper) foregroundInput(in *os.File) error {
	if !isTerminal(in.Fd()) {
		k.stdio.lend(0, in)
		return nil
	}
	if err := k.stdio.pipe(0); err != nil {
		return err
	}
	pipe := k.stdio.ours[0]
	go func() { // nobody waits for it: a read of a terminal cannot be ended, and the container's end must not wait for it
		copyInput(pipe, in)
		k.input.close()
	}()
	return nil
}

// copyInput copies until either end is closed. io.Copy would hold on to the pipe while it waits for the terminal, so that the pipe could not be closed.
func copyInput(to, from *os.File) {
	buf := make([]byte, maxFrame)
	for {
		n, err := from.Read(buf)
		if _, failed := to.Write(buf[:n]); err != nil || failed != nil {
			return
		}
	}
}

// copyTo gives the sink that shows a stream to the caller. When nobody reads there any more the container learns it as if it wrote there itself.
func (k *keeper) copyTo(f *os.File, i int) sink {
	return func(_ Streams, data []byte) {
		if _, err := f.Write(data); err != nil {
			k.stdio.ours[i].Close()
		}
	}
}

// passOn gives a signal to the container's process.
func (k *keeper) passOn(s syscall.Signal) {
	if p := k.process.Load(); p != nil {
		p.Signal(s) // a process that has ended meanwhile needs none
		return
	}
	if o := k.orphan.Load(); o != nil {
		o.ref.Signal(s)
		return
	}
	switch s {
	case syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM:
		k.interrupt()
	}
}

package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"syscall"

	"codeberg.org/hoy/hoy/engine/monitor"
	"codeberg.org/hoy/hoy/oci"
)

// Attach joins the streams of a running container until it ends (its exit code) or the user detaches (ErrDetached).
func (e *Engine) Attach(ctx context.Context, c *Container, o AttachOptions) (code int, err error) {
	if err := c.usable(); err != nil {
		return 0, err
	}
	if c.Restarting() {
		return 0, fmt.Errorf("You cannot attach to a restarting container, wait until it is running%w", hidden{ErrNotRunning})
	}
	if !c.Running() {
		return 0, fmt.Errorf("You cannot attach to a stopped container, start it first%w", hidden{ErrNotRunning})
	}
	a := attachment{
		streams:  o.Streams,
		want:     monitor.Stdout | monitor.Stderr,
		terminal: newTerminal(o.Streams, c.Config.Tty),
		keys:     o.DetachKeys,
		tty:      c.Config.Tty,
	}
	if !o.NoStdin && c.Config.OpenStdin {
		a.want |= monitor.Stdin
	}
	if o.SigProxy {
		a.signal = func(sig syscall.Signal) { e.signal(c, sig) }
	}
	if a.client, err = monitor.Dial(c.place, a.want, a.terminal.size()); err != nil {
		return 0, err
	}
	defer a.client.Close()
	stop := context.AfterFunc(ctx, func() { a.client.Close() })
	defer stop()
	e.happened(c, "attach")
	code, err = a.run()
	if errors.Is(err, ErrDetached) {
		e.happened(c, "detach")
	}
	return code, err
}

// hidden is an error that is there to be tested for, and adds nothing to the text.
type hidden struct{ error }

func (hidden) Error() string   { return "" }
func (h hidden) Unwrap() error { return h.error }

// attachment is one client of a container's streams: of `run`, `start -a` or `attach`.
type attachment struct {
	client   *monitor.Client
	streams  Streams
	want     monitor.Streams
	terminal *terminal
	keys     string // detach keys, as StartOptions has them
	tty      bool
	signal   func(syscall.Signal) // nil: signals are not passed on
}

// run carries the streams until the container ends, or the user detaches.
func (a *attachment) run() (int, error) {
	keys, err := a.detachKeys()
	if err != nil {
		return 0, err
	}
	if a.want&monitor.Stdin != 0 && a.streams.In != nil {
		if err := a.terminal.raw(); err != nil {
			return 0, err
		}
		defer a.terminal.restore()
		detached := make(chan struct{})
		go a.copyInput(newKeyReader(a.streams.In, keys), detached)
		go func() {
			<-detached
			a.client.Close()
		}()
		code, err := a.watched()
		select {
		case <-detached:
			return 0, ErrDetached
		default:
			return code, err
		}
	}
	return a.watched()
}

// watched is copyOutput with the signals and sizes of the caller's terminal passed on meanwhile.
func (a *attachment) watched() (int, error) {
	stopSizes := a.terminal.follow(func(z monitor.Size) { a.client.Resize(z) })
	defer stopSizes()
	stopSignals := a.passSignals()
	defer stopSignals()
	return a.copyOutput()
}

func (a *attachment) detachKeys() ([]byte, error) {
	if !a.tty || a.keys == noDetachKeys { // Docker looks for them in a terminal's input only
		return nil, nil
	}
	return parseKeys(a.keys)
}

// copyInput sends the caller's input. Nobody waits for it: a read of a terminal cannot be ended.
func (a *attachment) copyInput(from io.Reader, detached chan<- struct{}) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if _, failed := a.client.Write(buf[:n]); failed != nil {
			return
		}
		if errors.Is(err, ErrDetached) {
			close(detached)
			return
		}
		if err != nil {
			a.client.CloseInput()
			return
		}
	}
}

// copyOutput shows what the container writes until it ends, and gives its exit code. When nobody reads what is shown, it detaches: the
// container runs on.
func (a *attachment) copyOutput() (int, error) {
	for {
		event, err := a.client.Next()
		if err != nil {
			return 0, err
		}
		if event.Exited {
			return event.Code, nil
		}
		if err := a.show(event); err != nil {
			return 0, err
		}
	}
}

func (a *attachment) show(event monitor.Event) error {
	to := a.streams.Out
	if event.Stream == monitor.Stderr {
		to = a.streams.Err
	}
	if to == nil || len(event.Data) == 0 {
		return nil
	}
	_, err := to.Write(event.Data)
	return err
}

// passSignals passes the caller's signals on to the container's process.
func (a *attachment) passSignals() (stop func()) {
	if a.signal == nil {
		return func() {}
	}
	return monitor.CatchSignals(a.signal)
}

// signal sends a signal to the container's first process as it is now: a container of `start` was at rest when c was read.
func (e *Engine) signal(c *Container, sig syscall.Signal) error {
	s, err := monitor.ReadState(c.place)
	if err != nil {
		return err
	}
	if s.Process == nil {
		return ErrNotRunning
	}
	return s.Process.Signal(sig)
}

// parseSignal reads a signal's name or number; "" is otherwise.
func parseSignal(name string, otherwise syscall.Signal) (syscall.Signal, error) {
	if name == "" {
		return otherwise, nil
	}
	return oci.ParseSignal(name)
}

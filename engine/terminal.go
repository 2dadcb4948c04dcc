package engine

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"

	"codeberg.org/hoy/hoy/engine/monitor"
)

// terminal is the caller's terminal while it stands in for a container's. Without one all it does is nothing.
type terminal struct {
	in    *os.File // nil: no terminal, or the container has none
	sized *os.File // where the size is asked: output may be a terminal where input is none
	saved *unix.Termios
}

// newTerminal looks whether the caller has a terminal, for a container that has one.
func newTerminal(s Streams, tty bool) *terminal {
	t := new(terminal)
	if !tty {
		return t
	}
	if isTerminal(s.In) {
		t.in, t.sized = s.In, s.In
	}
	if isTerminal(s.Out) {
		t.sized = s.Out
	}
	return t
}

func isTerminal(f *os.File) bool {
	if f == nil {
		return false
	}
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// raw makes the terminal pass on every key as it is. restore must follow, whatever happens.
func (t *terminal) raw() error {
	if t.in == nil {
		return nil
	}
	was, err := unix.IoctlGetTermios(int(t.in.Fd()), unix.TCGETS)
	if err != nil {
		return fmt.Errorf("terminal: %w", err)
	}
	raw := *was // cfmakeraw(3), but output is still processed by the container's own terminal only
	raw.Iflag &^= unix.IGNBRK | unix.BRKINT | unix.PARMRK | unix.ISTRIP | unix.INLCR | unix.IGNCR | unix.ICRNL | unix.IXON
	raw.Oflag &^= unix.OPOST
	raw.Lflag &^= unix.ECHO | unix.ECHONL | unix.ICANON | unix.ISIG | unix.IEXTEN
	raw.Cflag &^= unix.CSIZE | unix.PARENB
	raw.Cflag |= unix.CS8
	raw.Cc[unix.VMIN], raw.Cc[unix.VTIME] = 1, 0
	if err := unix.IoctlSetTermios(int(t.in.Fd()), unix.TCSETS, &raw); err != nil {
		return fmt.Errorf("terminal: %w", err)
	}
	t.saved = was
	return nil
}

// restore makes the terminal what it was before raw.
func (t *terminal) restore() {
	if t.saved != nil {
		unix.IoctlSetTermios(int(t.in.Fd()), unix.TCSETS, t.saved)
		t.saved = nil
	}
}

// size is the terminal's size, or zero.
func (t *terminal) size() monitor.Size {
	if t.sized == nil {
		return monitor.Size{}
	}
	z, err := unix.IoctlGetWinsize(int(t.sized.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return monitor.Size{}
	}
	return monitor.Size{Rows: z.Row, Cols: z.Col}
}

// follow calls resize with the size now and each time it changes, until stop.
func (t *terminal) follow(resize func(monitor.Size)) (stop func()) {
	if t.sized == nil {
		return func() {}
	}
	resize(t.size())
	changed := make(chan os.Signal, 1)
	signal.Notify(changed, syscall.SIGWINCH)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range changed {
			resize(t.size())
		}
	}()
	return func() {
		signal.Stop(changed)
		close(changed)
		<-done
	}
}

package engine

import (
	"io"
	"os"

	"golang.org/x/sys/unix"

	"codeberg.org/hoy/hoy/engine/monitor"
)

// Relay connects the caller's terminal with the master of a container's, until done is called, which waits until all is shown. It is for
// containers that no monitor keeps.
func Relay(s Streams, master *os.File) (done func(), err error) {
	t := newTerminal(s, true)
	if err := t.raw(); err != nil {
		return nil, err
	}
	stop := t.follow(func(z monitor.Size) {
		if z != (monitor.Size{}) {
			unix.IoctlSetWinsize(int(master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: z.Rows, Col: z.Cols})
		}
	})
	go io.Copy(master, s.In) // nobody waits for it: a read of a terminal cannot be ended
	shown := make(chan struct{})
	go func() {
		io.Copy(s.Out, master) // EIO is the terminal's end
		close(shown)
	}()
	return func() {
		<-shown
		stop()
		t.restore()
		master.Close()
	}, nil
}

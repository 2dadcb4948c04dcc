package publish

import (
	"slices"

	"golang.org/x/sys/unix"

	"codeberg.org/hoy/hoy/oci/nsenter/raw"
)

// way is one direction of a connection. What the other end did not take is in left or in the pipe; as long as there is any, nothing is read.
type way struct {
	from, to *end
	left     []byte
	pipe     [2]int // {0, 0}: none
	piped    int
	ended    bool
}

func (w *way) waits() bool { return len(w.left) > 0 || w.piped > 0 }

// move reads and passes on until there is no more, the other end takes no more, or others are to have their turn. The little that requests are is
// copied; what fills the buffer goes through a pipe, without a copy.
func (l *loop) move(w *way) error {
	for range chunks {
		if w.ended || w.waits() {
			return nil
		}
		var n int
		var err error
		if w.pipe[0] == 0 {
			n, err = raw.Receive(w.from.fd, l.buf)
		} else {
			var m int64
			m, err = unix.Splice(w.from.fd, nil, w.pipe[1], nil, pipeSize, unix.SPLICE_F_NONBLOCK|unix.SPLICE_F_MOVE)
			n = int(m)
		}
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.EAGAIN:
			l.release(w)
			return nil
		case err != nil:
			return err
		case n == 0:
			w.ended = true
			l.release(w)
			unix.Shutdown(w.to.fd, unix.SHUT_WR)
			return nil
		case w.pipe[0] != 0:
			w.piped = n
		default:
			w.left = l.buf[:n]
		}
		if err := l.flush(w); err != nil {
			return err
		}
		if w.pipe[0] == 0 && n < len(l.buf) {
			return nil
		}
		if w.pipe[0] == 0 && !w.waits() {
			l.bulk(w)
		}
	}
	return nil
}

// flush writes what is left. What is left then is copied out of the common buffer.
func (l *loop) flush(w *way) error {
	shared := len(w.left) > 0 && &w.left[0] == &l.buf[0]
	for w.waits() {
		var n int
		var err error
		if w.piped > 0 {
			var m int64
			m, err = unix.Splice(w.pipe[0], nil, w.to.fd, nil, w.piped, unix.SPLICE_F_NONBLOCK|unix.SPLICE_F_MOVE)
			n = int(m)
			w.piped -= max(n, 0)
		} else if n, err = raw.Send(w.to.fd, w.left); n > 0 {
			w.left = w.left[n:]
		}
		if err == unix.EAGAIN {
			break
		}
		if err != nil && err != unix.EINTR {
			return err
		}
	}
	switch {
	case len(w.left) == 0:
		w.left = nil
	case shared:
		w.left = slices.Clone(w.left)
	}
	return nil
}

// bulk gives the way a pipe; without one it goes on copying.
func (l *loop) bulk(w *way) {
	if n := len(l.pipes); n > 0 {
		w.pipe, l.pipes = l.pipes[n-1], l.pipes[:n-1]
		return
	}
	var p [2]int
	if unix.Pipe2(p[:], unix.O_NONBLOCK|unix.O_CLOEXEC) == nil {
		unix.FcntlInt(uintptr(p[0]), unix.F_SETPIPE_SZ, pipeSize)
		w.pipe = p
	}
}

// release takes the way's pipe. One that is not empty cannot be used again.
func (l *loop) release(w *way) {
	if w.pipe[0] == 0 {
		return
	}
	if w.piped == 0 && len(l.pipes) < sparePipe {
		l.pipes = append(l.pipes, w.pipe)
	} else {
		unix.Close(w.pipe[0])
		unix.Close(w.pipe[1])
	}
	w.pipe, w.piped = [2]int{}, 0
}

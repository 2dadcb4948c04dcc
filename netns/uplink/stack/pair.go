package stack

import (
	"bytes"
	"errors"
	"io"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/waiter"

	"codeberg.org/hoy/hoy/oci/nsenter/raw"
)

const (
	chunk = 256 << 10 // what is copied at once
	turns = 4         // of one direction, before others have theirs
)

// pair is a connection of the container's, and the one of the user's that it has become; or two ends that speak by UDP.
type pair struct {
	router *router
	inner  tcpip.Endpoint
	queue  waiter.Queue // inner's
	entry  waiter.Entry
	outer  int

	state atomic.Int32
	todo  atomic.Uint32

	idle  time.Duration // UDP: how long it outlives the last datagram; 0: TCP
	until atomic.Int64  // UDP: in nanoseconds since 1970

	// For whom the pair is busy:
	outEnded, inEnded bool
	outFull           bool   // the user's socket takes nothing
	rest              []byte // of what was read from it: the stack takes nothing
	known, deaf       bool   // to the epoll; deaf: there is nothing more to hear
	armed             uint32 // what it tells of
}

// The states of a pair. Who has made it busy works on it, alone.
const (
	resting = iota
	queued
	busy
	again // busy, and there is something new to do
)

// What there is to do: to look in a direction, out of the container or into it.
const (
	out = 1 << iota
	in
	fired  // the user's socket tells of nothing any more
	failed // it has an error, behind what is still to be read
	expired
)

// move passes on what it can, and says whether that was the end.
func (p *pair) move(buf []byte) (ended bool) {
	todo := p.todo.Swap(0)
	if todo&fired != 0 {
		p.armed = 0
	}
	p.deaf = p.deaf || todo&failed != 0
	var err error
	if p.deaf && p.inEnded || todo&expired != 0 {
		err = errGone
	}
	moveOut, moveIn := p.moveOut, p.moveIn
	if p.idle > 0 {
		moveOut, moveIn = p.passOut, p.passIn
	}
	if err == nil && todo&out != 0 && !p.outEnded {
		err = moveOut(buf)
	}
	if err == nil && todo&in != 0 && !p.inEnded {
		err = moveIn(buf)
	}
	if err == nil && !(p.outEnded && p.inEnded) {
		if err = p.listen(); err == nil {
			return false
		}
	}
	p.router.relay.forget(p)
	if err != nil { // who is there still is to see it
		p.inner.Abort()
		reset(p.outer)
	} else {
		unix.Close(p.outer)
	}
	p.inner.Close()
	p.router.open.Add(-1)
	return true
}

// reset closes a socket so that the other side learns that this is no regular end.
func reset(fd int) {
	unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	unix.Close(fd)
}

// listen arms the user's socket for what is waited for, unless it is at work on that.
func (p *pair) listen() error {
	want := uint32(unix.EPOLLONESHOT)
	if !p.inEnded && p.rest == nil {
		want |= unix.EPOLLIN
	}
	if p.outFull {
		want |= unix.EPOLLOUT
	}
	if want == p.armed || p.deaf || p.todo.Load()&in != 0 {
		return nil
	}
	p.armed = want
	return p.router.relay.arm(p, want)
}

var errGone = errors.New("the connection is broken")

// moveOut leaves with the stack what the user's socket does not take yet: the container is to wait, not to fill memory here.
func (p *pair) moveOut(buf []byte) error {
	for range turns {
		w := filler{free: buf}
		got, failed := p.inner.Read(&w, tcpip.ReadOptions{Peek: true})
		switch failed.(type) {
		case nil:
		case *tcpip.ErrWouldBlock:
			return nil
		case *tcpip.ErrClosedForReceive:
			p.outEnded = true
			return unix.Shutdown(p.outer, unix.SHUT_WR)
		default:
			return errGone
		}
		n, err := raw.Send(p.outer, buf[:got.Count])
		if p.outFull = err == unix.EAGAIN; p.outFull {
			return nil
		}
		if err != nil && err != unix.EINTR {
			return err
		}
		if n > 0 {
			p.inner.Read(&filler{skip: n}, tcpip.ReadOptions{})
			p.inner.ModerateRecvBuf(n)
		}
	}
	p.todo.Or(out)
	return nil
}

// filler is what the stack writes to: it keeps what there is room for, or passes over so much.
type filler struct {
	free []byte
	skip int
}

func (f *filler) Write(b []byte) (n int, err error) {
	if n = min(len(b), f.skip); f.skip > 0 {
		f.skip -= n
	} else {
		n = copy(f.free, b)
		f.free = f.free[n:]
	}
	if n < len(b) {
		err = io.ErrShortWrite
	}
	return n, err
}

// moveIn reads only when the stack has taken all that was read before.
func (p *pair) moveIn(buf []byte) error {
	for range turns {
		if full, err := p.write(p.rest); full || err != nil {
			return err
		}
		n, err := raw.Receive(p.outer, buf)
		switch {
		case err == unix.EAGAIN:
			p.deaf = false
			return nil
		case err != nil && err != unix.EINTR:
			return err
		case err == nil && n == 0:
			p.inEnded = true
			if p.inner.Shutdown(tcpip.ShutdownWrite) != nil {
				return errGone
			}
			return nil
		}
		full, err := p.write(buf[:n])
		if full {
			p.rest = bytes.Clone(p.rest)
		}
		if full || err != nil || 0 < n && n < len(buf) && !p.deaf { // what comes later is told of
			return err
		}
	}
	p.todo.Or(in)
	return nil
}

// write gives the stack what it has room for; rest is the rest.
func (p *pair) write(b []byte) (full bool, err error) {
	r := bytes.NewReader(b)
	for r.Len() > 0 && !full {
		_, failed := p.inner.Write(r, tcpip.WriteOptions{})
		if _, full = failed.(*tcpip.ErrWouldBlock); failed != nil && !full {
			return false, errGone
		}
	}
	p.rest = b[len(b)-r.Len():]
	if len(p.rest) == 0 {
		p.rest = nil
	}
	return full, nil
}

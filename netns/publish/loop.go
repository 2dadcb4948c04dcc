package publish

import (
	"context"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"codeberg.org/hoy/hoy/oci/nsenter/raw"
)

const (
	chunk     = 32 << 10 // what is copied at once; more is moved by splice(2)
	chunks    = 8        // of one direction, before others have their turn
	pipeSize  = 1 << 20
	sparePipe = 16
	accepts   = 16 // at once
	batch     = 128
	keepalive = 15 // seconds
	syns      = 2  // repetitions: a container that does not answer is given up after seven seconds (tcp(7))
	retry     = 10 * time.Millisecond
	near      = 20 // milliseconds
)

// loop passes on TCP: one thread inside of the container's namespace that waits for all connections at once. A goroutine for each direction would
// cost a request four times its share of the scheduler, and each new connection a thread of its own to enter the namespace.
type loop struct {
	target Target
	epoll  int
	wake   int         // an eventfd: run is to return
	ports  map[int]int // listeners, and where each leads to
	ends   []*end      // by descriptor
	count  int         // of pairs
	buf    []byte
	pipes  [][2]int // empty ones
	closed []int    // descriptors to close after the events at hand, none of which may then mean another file
}

// end is one of the two sockets of a connection.
type end struct {
	fd   int
	mask uint32 // what is waited for
	pair *pair
	out  *way // what is read here
	in   *way // what is written here
}

// pair is one connection: the client's socket and the one in the namespace, which is connected with the client's address first, if source is valid.
type pair struct {
	client, inner end
	up, down      way
	connecting    bool
	closed        bool
	to, source    netip.AddrPort
}

func newLoop(sockets []socket, t Target) (*loop, error) {
	l := &loop{target: t, ports: map[int]int{}, buf: make([]byte, chunk), wake: -1}
	var err error
	if l.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, err
	}
	if l.wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err == nil {
		err = l.control(unix.EPOLL_CTL_ADD, l.wake, unix.EPOLLIN)
	}
	for _, s := range sockets {
		if s.tcp != 0 && err == nil {
			l.ports[s.tcp] = int(s.port.Port)
			tune(s.tcp) // who is accepted inherits it
			err = unix.SetNonblock(s.tcp, true)
		}
	}
	if err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

func (l *loop) close() {
	for _, e := range l.ends {
		if e != nil && !e.pair.closed {
			l.drop(e.pair)
		}
	}
	l.bury()
	for _, p := range l.pipes {
		unix.Close(p[0])
		unix.Close(p[1])
	}
	unix.Close(l.epoll)
	if l.wake >= 0 {
		unix.Close(l.wake)
	}
}

func (l *loop) control(op, fd int, mask uint32) error {
	return unix.EpollCtl(l.epoll, op, fd, &unix.EpollEvent{Events: mask, Fd: int32(fd)})
}

// run serves until then, or until ctx is done, and says whether anybody came. The caller is in the namespace.
func (l *loop) run(ctx context.Context, until time.Time) (came bool, err error) {
	if err := l.listen(unix.EPOLL_CTL_ADD); err != nil {
		return false, err
	}
	defer l.listen(unix.EPOLL_CTL_DEL)
	stop := context.AfterFunc(ctx, func() { unix.Write(l.wake, []byte{1, 0, 0, 0, 0, 0, 0, 0}) })
	defer stop()
	events := make([]unix.EpollEvent, batch)
	for ctx.Err() == nil {
		left := time.Until(until)
		if left <= 0 {
			break
		}
		n, err := l.next(events, left)
		if err != nil && err != unix.EINTR {
			return came, err
		}
		for _, e := range events[:max(n, 0)] {
			port, is := l.ports[int(e.Fd)]
			switch {
			case is:
				came = true
				l.accept(int(e.Fd), uint16(port))
			case int(e.Fd) == l.wake:
				unix.Read(l.wake, l.buf)
			default:
				l.handle(l.ends[e.Fd], e.Events)
			}
		}
		l.bury()
	}
	return came, nil
}

// next waits for events. While there are connections the next event is near, as a rule: see raw.EpollWait.
func (l *loop) next(events []unix.EpollEvent, patience time.Duration) (int, error) {
	if l.count > 0 {
		if n, err := raw.EpollWait(l.epoll, events, near); n > 0 || err != nil {
			return n, err
		}
	}
	return unix.EpollWait(l.epoll, events, int(patience.Milliseconds())+1)
}

func (l *loop) listen(op int) error {
	for fd := range l.ports {
		if err := l.control(op, fd, unix.EPOLLIN); err != nil {
			return err
		}
	}
	return nil
}

// bury closes what was closed while events of it may have been at hand.
func (l *loop) bury() {
	for _, fd := range l.closed {
		unix.Close(fd)
	}
	l.closed = l.closed[:0]
}

func (l *loop) accept(listener int, port uint16) {
	for range accepts {
		fd, from, err := unix.Accept4(listener, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		if err == unix.EAGAIN {
			return
		}
		if err != nil {
			time.Sleep(retry) // out of descriptors: accept(2) would fail again at once
			return
		}
		l.open(fd, addrPort(from), port)
	}
}

// open connects a client with the container. A client that cannot be sees a reset, as from a port that nobody listens on.
func (l *loop) open(fd int, from netip.AddrPort, port uint16) {
	p := &pair{}
	p.to, p.source = l.target.route(from, port)
	p.client, p.inner = end{fd: fd, pair: p, out: &p.up, in: &p.down}, end{pair: p, out: &p.down, in: &p.up}
	p.up, p.down = way{from: &p.client, to: &p.inner}, way{from: &p.inner, to: &p.client}
	l.keep(&p.client)
	l.count++
	if err := l.connect(p); err != nil {
		l.reset(&p.down)
	}
}

// connect begins to connect the inner socket: with the client's address, and, when its port is in use there or the kernel does not let us, without.
func (l *loop) connect(p *pair) error {
	for {
		fd, err := dialTCP(p.to, p.source, l.target.Mark)
		if err == nil || err == unix.EINPROGRESS {
			p.inner.fd, p.connecting = fd, true
			l.keep(&p.inner)
			if _, err := unix.Getpeername(fd); err == nil { // within a namespace it has been done by now
				p.connecting = false
			}
			l.wait(p)
			return nil
		}
		if err == unix.ECONNREFUSED || !p.source.IsValid() {
			return err
		}
		p.source = netip.AddrPort{}
	}
}

// connected looks how connect ended.
func (l *loop) connected(p *pair) {
	code, err := unix.GetsockoptInt(p.inner.fd, unix.SOL_SOCKET, unix.SO_ERROR)
	switch {
	case err == nil && code == 0:
		p.connecting = false
		l.wait(p)
	case code != int(unix.ECONNREFUSED) && p.source.IsValid():
		l.forget(&p.inner)
		p.source = netip.AddrPort{}
		if l.connect(p) != nil {
			l.reset(&p.down)
		}
	default:
		l.reset(&p.down)
	}
}

// handle does what an event of a socket allows. An error or a hang-up shows in the next read or write.
func (l *loop) handle(e *end, events uint32) {
	if e == nil || e.pair.closed {
		return
	}
	p := e.pair
	if p.connecting {
		l.connected(p)
		return
	}
	const failed = unix.EPOLLERR | unix.EPOLLHUP
	var err error
	w := e.in
	if events&(unix.EPOLLOUT|failed) != 0 && w.waits() {
		err = l.flush(w)
	}
	if err == nil && events&(unix.EPOLLIN|failed) != 0 {
		w = e.out
		err = l.move(w)
	}
	switch {
	case err != nil:
		l.reset(w)
	case p.up.ended && p.down.ended && !p.up.waits() && !p.down.waits():
		l.drop(p)
	default:
		l.wait(p)
	}
}

// wait tells the kernel what is waited for: of an end that is not read or written at the moment nothing, not even its hang-up.
func (l *loop) wait(p *pair) {
	for _, e := range []*end{&p.client, &p.inner} {
		var mask uint32
		switch {
		case p.connecting:
			if e == &p.inner {
				mask = unix.EPOLLOUT
			}
		default:
			if !e.out.ended && !e.out.waits() {
				mask = unix.EPOLLIN
			}
			if e.in.waits() {
				mask |= unix.EPOLLOUT
			}
		}
		if mask == e.mask {
			continue
		}
		op := unix.EPOLL_CTL_MOD
		if e.mask == 0 {
			op = unix.EPOLL_CTL_ADD
		} else if mask == 0 {
			op = unix.EPOLL_CTL_DEL
		}
		e.mask = mask
		if l.control(op, e.fd, mask) != nil {
			l.drop(p)
			return
		}
	}
}

func (l *loop) keep(e *end) {
	for len(l.ends) <= e.fd {
		l.ends = append(l.ends, nil)
	}
	l.ends[e.fd] = e
}

func (l *loop) forget(e *end) {
	if e.fd == 0 {
		return
	}
	if e.mask != 0 {
		l.control(unix.EPOLL_CTL_DEL, e.fd, 0)
	}
	l.ends[e.fd] = nil
	l.closed = append(l.closed, e.fd)
	e.fd, e.mask = 0, 0
}

// reset ends a connection of which one direction failed: who was written to is to see that.
func (l *loop) reset(w *way) {
	if w.to.fd != 0 {
		unix.SetsockoptLinger(w.to.fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	}
	l.drop(w.to.pair)
}

func (l *loop) drop(p *pair) {
	if p.closed {
		return
	}
	p.closed = true
	l.count--
	l.release(&p.up)
	l.release(&p.down)
	l.forget(&p.client)
	l.forget(&p.inner)
}

package stack

import (
	"fmt"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/waiter"

	"codeberg.org/hoy/hoy/oci/nsenter/raw"
)

const (
	workersMax = 4
	batch      = 128 // events
)

// relay passes on what all connections carry. A connection has no goroutine and no buffer of its own, which would be most of what it costs in
// memory: one that has something to do is taken by one of a few workers.
type relay struct {
	epoll  int // of the user's sockets: each tells once of what it is armed for, and not while somebody works on it
	poller *os.File
	tasks  sync.WaitGroup

	mu    sync.Mutex
	some  sync.Cond
	ready []*pair         // not empty: there is work
	pairs map[int32]*pair // by the user's socket
	over  bool
}

// newRelay starts its workers. close ends them.
func newRelay() (*relay, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll: %w", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil { // so that Go's own poller waits for it
		unix.Close(fd)
		return nil, fmt.Errorf("epoll: %w", err)
	}
	r := &relay{epoll: fd, poller: os.NewFile(uintptr(fd), "epoll"), pairs: map[int32]*pair{}}
	r.some.L = &r.mu
	events, err := r.poller.SyscallConn()
	if err != nil {
		return nil, err
	}
	r.tasks.Go(func() { r.watch(events) })
	for range min(runtime.GOMAXPROCS(0), workersMax) {
		r.tasks.Go(r.work)
	}
	return r, nil
}

func (r *relay) close() {
	r.mu.Lock()
	r.over = true
	r.some.Broadcast()
	r.mu.Unlock()
	r.poller.Close()
	r.tasks.Wait()
}

// add begins to pass on between p's ends.
func (r *relay) add(p *pair) {
	r.mu.Lock()
	r.pairs[int32(p.outer)] = p
	r.mu.Unlock()
	p.entry = waiter.NewFunctionEntry(waiter.ReadableEvents|waiter.WritableEvents|waiter.EventHUp|waiter.EventErr, func(m waiter.EventMask) {
		r.notify(p, directions(m&^waiter.WritableEvents != 0, m&^waiter.ReadableEvents != 0))
	})
	p.queue.EventRegister(&p.entry)
	r.notify(p, out|in)
}

func directions(isOut, isIn bool) (todo uint32) {
	if isOut {
		todo = out
	}
	if isIn {
		todo |= in
	}
	return todo
}

// arm has p's socket tell of events, and of errors.
func (r *relay) arm(p *pair, events uint32) error {
	op := unix.EPOLL_CTL_MOD
	if !p.known {
		op, p.known = unix.EPOLL_CTL_ADD, true
	}
	return unix.EpollCtl(r.epoll, op, p.outer, &unix.EpollEvent{Events: events | unix.EPOLLONESHOT, Fd: int32(p.outer)})
}

// forget takes a pair out that has ended. Its socket is closed after that, so that the number means nobody else.
func (r *relay) forget(p *pair) {
	p.queue.EventUnregister(&p.entry)
	r.mu.Lock()
	delete(r.pairs, int32(p.outer))
	r.mu.Unlock()
}

// sweep ends the pairs by which no datagram has passed for long.
func (r *relay) sweep(now time.Time) {
	var old []*pair
	r.mu.Lock()
	for _, p := range r.pairs {
		if p.idle > 0 && p.until.Load() < now.UnixNano() {
			old = append(old, p)
		}
	}
	r.mu.Unlock()
	for _, p := range old {
		r.notify(p, expired)
	}
}

// notify has a worker look at what there is to do. It never waits: gVisor calls it with the connection locked.
func (r *relay) notify(p *pair, todo uint32) {
	p.todo.Or(todo)
	for {
		switch {
		case p.state.CompareAndSwap(resting, queued):
			r.push(p)
			return
		case p.state.CompareAndSwap(busy, again):
			return
		}
		if s := p.state.Load(); s == queued || s == again {
			return
		}
	}
}

func (r *relay) push(p *pair) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ready = append(r.ready, p)
	r.some.Signal()
}

// next waits for a pair that is ready; nil: it is over.
func (r *relay) next() *pair {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.ready) == 0 && !r.over {
		r.some.Wait()
	}
	if r.over {
		return nil
	}
	p := r.ready[0]
	r.ready[0] = nil
	if r.ready = r.ready[1:]; len(r.ready) == 0 {
		r.ready = nil
	}
	return p
}

func (r *relay) work() {
	buf := make([]byte, chunk)
	for p := r.next(); p != nil; p = r.next() {
		p.state.Store(busy)
		r.run(p, buf)
	}
}

// run works on a busy pair until there is nothing to do, or others have their turn.
func (r *relay) run(p *pair, buf []byte) {
	for {
		if ended := p.move(buf); ended { // it stays busy: nobody touches it any more
			return
		}
		if p.todo.Load() != 0 {
			p.state.Store(queued)
			r.push(p)
			return
		}
		if p.state.CompareAndSwap(busy, resting) {
			return
		}
		p.state.Store(busy)
	}
}

// watch works on what the user's sockets say, itself: it is awake already.
func (r *relay) watch(epoll syscall.RawConn) {
	buf, events := make([]byte, chunk), make([]unix.EpollEvent, batch)
	epoll.Read(func(fd uintptr) bool { // until it is closed
		for n := batch; n == batch; {
			n, _ = raw.EpollWait(int(fd), events, 0)
			for _, e := range events[:n] {
				r.mu.Lock()
				p := r.pairs[e.Fd]
				r.mu.Unlock()
				if p != nil {
					r.handle(p, e.Events, buf)
				}
			}
		}
		return false
	})
}

func (r *relay) handle(p *pair, events uint32, buf []byte) {
	todo := fired | directions(events&^unix.EPOLLIN != 0, events&^unix.EPOLLOUT != 0)
	if events&(unix.EPOLLERR|unix.EPOLLHUP) != 0 {
		todo |= failed
	}
	if p.state.CompareAndSwap(resting, busy) {
		p.todo.Or(todo)
		r.run(p, buf)
		return
	}
	r.notify(p, todo)
}

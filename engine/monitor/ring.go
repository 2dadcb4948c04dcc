package monitor

import (
	"sync"
	"time"
)

// lastWords is how long the end of a container waits until its log has taken what is still in a ring.
const lastWords = 2 * time.Second

// ring stands before a log with --log-opt mode=non-blocking: the container never waits for a slow log. What comes while max bytes of it have not been
// written is lost, as in Docker (moby, daemon/logger/ring.go), and counted. A nil one passes lines on at once.
type ring struct {
	max  int64
	give func(lines []ringLine, lost int)

	mu     sync.Mutex
	wake   sync.Cond
	lines  []ringLine
	size   int64
	lost   int
	closed bool
	done   chan struct{}
}

type ringLine struct {
	stream Streams
	text   []byte
	at     time.Time
	passed chan struct{} // no line: closed when all before it are written
}

func newRing(size int64, give func(lines []ringLine, lost int)) *ring {
	r := &ring{max: size, give: give, done: make(chan struct{})}
	r.wake.L = &r.mu
	go r.drain()
	return r
}

// put takes a copy of a line; one that is larger than the whole ring too, when nothing else is in it.
func (r *ring) put(s Streams, text []byte, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := int64(len(text))
	if r.closed || r.size > 0 && r.size+n > r.max {
		r.lost++
		return
	}
	r.lines = append(r.lines, ringLine{stream: s, text: append([]byte(nil), text...), at: now})
	r.size += n
	r.wake.Signal()
}

// drain passes the lines on in parts, so that room is soon there for more.
func (r *ring) drain() {
	defer close(r.done)
	for {
		r.mu.Lock()
		for len(r.lines) == 0 && !r.closed {
			r.wake.Wait()
		}
		n := min(len(r.lines), 64)
		part, lost := r.lines[:n:n], r.lost
		r.lines, r.lost = r.lines[n:], 0
		ended := r.closed && len(r.lines) == 0
		r.mu.Unlock()
		r.give(part, lost)
		r.mu.Lock()
		for _, l := range part {
			r.size -= int64(len(l.text))
			if l.passed != nil {
				close(l.passed)
			}
		}
		r.mu.Unlock()
		if ended {
			return
		}
	}
}

// settle waits for a while until what is there is written.
func (r *ring) settle() {
	passed := make(chan struct{})
	r.mu.Lock()
	r.lines = append(r.lines, ringLine{passed: passed})
	r.wake.Signal()
	r.mu.Unlock()
	select {
	case <-passed:
	case <-r.done:
	case <-time.After(lastWords):
	}
}

// close passes on what is there, and gives up a log that does not take it. It says whether the log is free to be closed.
func (r *ring) close() bool {
	r.mu.Lock()
	r.closed = true
	r.wake.Signal()
	r.mu.Unlock()
	select {
	case <-r.done:
		return true
	case <-time.After(lastWords):
		return false
	}
}

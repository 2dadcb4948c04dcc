package monitor

import (
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	queueFrames = 32               // frames a client may be behind before it is waited for: 1 MiB
	patience    = 10 * time.Second // how long a late client that does not read may hold up the container
)

// hub passes what the container writes to the clients, and what they send to the container.
type hub struct {
	input    *input
	do       hubCalls
	patience time.Duration

	mu      sync.Mutex
	clients []*attached // replaced, never changed, so that a copy of the slice can be walked without the lock
	started bool
	ended   bool
	writers sync.WaitGroup
}

// hubCalls are what clients can ask for.
type hubCalls struct {
	resize func(Size)
	signal func(syscall.Signal)
	nudge  func()
	keep   func(path string) bool
	probe  func() int
	hold   func() bool
	unhold func()
}

// attached is one client as the monitor sees it.
type attached struct {
	conn  *os.File
	want  Streams
	first bool // it started the container: like a pipe's reader it may be as slow as it likes
	queue chan []byte
	gone  chan struct{} // closed when it hung up
	lossy atomic.Bool   // it was too slow, and misses what does not fit
	holds bool          // it keeps the container from being started again
	last  []byte        // the frame after all others, set before queue is closed
}

func newHub(in *input, do hubCalls) *hub {
	return &hub{input: in, do: do, patience: patience}
}

// serve accepts clients until the listener is closed.
func (h *hub) serve(listener *os.File) {
	for {
		conn, err := accept(listener)
		if err != nil {
			return
		}
		go h.greet(conn)
	}
}

// greet reads a new client's hello and takes it in.
func (h *hub) greet(conn *os.File) {
	conn.SetReadDeadline(time.Now().Add(patience))
	want, size, err := readHello(conn)
	if err != nil {
		conn.Close()
		return
	}
	conn.SetReadDeadline(time.Time{})
	if h.add(conn, want, false) != nil {
		h.do.resize(size)
	}
}

func readHello(conn *os.File) (Streams, Size, error) {
	buf := make([]byte, 64)
	n, err := receive(conn, buf)
	if err != nil {
		return 0, Size{}, err
	}
	return parseHello(buf[:n])
}

// add takes a client in and begins to serve it. It gives nil when the container has ended meanwhile.
func (h *hub) add(conn *os.File, want Streams, first bool) *attached {
	a := &attached{conn: conn, want: want, first: first, queue: make(chan []byte, queueFrames), gone: make(chan struct{})}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ended {
		conn.Close()
		return nil
	}
	if h.started {
		a.queue <- []byte{frameStarted}
	}
	h.clients = append(h.clients[:len(h.clients):len(h.clients)], a)
	h.writers.Add(1)
	go h.write(a)
	go h.read(a)
	return a
}

// write sends a client's queue until that is closed or the client hangs up. What it no longer takes is dropped, but the connection stays:
// input that it sent before it hung up is still to be read.
func (h *hub) write(a *attached) {
	defer h.writers.Done()
	var failed error
	for {
		select {
		case frame, more := <-a.queue:
			if !more {
				a.conn.Write(a.last)
				endWriting(a.conn)
				return
			}
			if failed == nil {
				_, failed = a.conn.Write(frame)
			}
		case <-a.gone:
			return
		}
	}
}

// read does what a client sends until it hangs up.
func (h *hub) read(a *attached) {
	buf := make([]byte, maxFrame+1)
	for {
		n, err := receive(a.conn, buf)
		if err != nil || n == 0 {
			break
		}
		h.obey(a, buf[:n])
	}
	h.drop(a)
	a.conn.Close()
	if a.holds {
		h.do.unhold()
	}
	if a.want&Stdin != 0 {
		h.input.end()
	}
}

func (h *hub) obey(a *attached, frame []byte) {
	switch frame[0] {
	case frameInput:
		if a.want&Stdin != 0 {
			h.input.write(frame[1:])
		}
	case frameClose:
		if a.want&Stdin != 0 {
			h.input.end()
		}
	case frameResize:
		if z, err := parseSize(frame[1:]); err == nil {
			h.do.resize(z)
		}
	case frameSignal:
		if len(frame) == 2 {
			h.do.signal(syscall.Signal(frame[1]))
		}
	case frameNudge:
		h.do.nudge()
	case frameKeep:
		held := 0
		if h.do.keep(string(frame[1:])) {
			held = 1
		}
		a.conn.Write(codeFrame(frameHeld, held))
	case frameHold:
		held := 0
		if a.holds || h.do.hold() {
			a.holds, held = true, 1
		}
		a.conn.Write(codeFrame(frameHeld, held))
	case frameProbe:
		go func() { a.conn.Write(codeFrame(frameProbed, h.do.probe())) }() // whoever asks waits for it
	}
}

func (h *hub) drop(a *attached) {
	h.mu.Lock()
	defer h.mu.Unlock()
	rest := make([]*attached, 0, len(h.clients))
	for _, c := range h.clients {
		if c != a {
			rest = append(rest, c)
		}
	}
	h.clients = rest
	close(a.gone)
}

// starterLeft is closed when the client that starts the container hangs up; nil: there is none.
func (h *hub) starterLeft() <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, a := range h.clients {
		if a.first {
			return a.gone
		}
	}
	return nil
}

// begin tells the clients that the container's command runs.
func (h *hub) begin() {
	h.mu.Lock()
	h.started = true
	clients := h.clients
	h.mu.Unlock()
	for _, a := range clients {
		a.offer([]byte{frameStarted}, h.patience)
	}
}

// output passes what the container wrote to a stream on to those who want it. One goroutine calls it for each stream.
func (h *hub) output(s Streams, data []byte) {
	h.mu.Lock()
	clients := h.clients
	h.mu.Unlock()
	kind := byte(frameStdout)
	if s == Stderr {
		kind = frameStderr
	}
	for _, a := range clients {
		if a.want&s != 0 {
			a.offer(append([]byte{kind}, data...), h.patience)
		}
	}
}

// next sends the last frame of a run to its clients, and is ready for those of the next run.
func (h *hub) next(last []byte) {
	h.mu.Lock()
	clients := h.clients
	h.clients, h.started = nil, false
	h.mu.Unlock()
	for _, a := range clients {
		a.last = last
		close(a.queue)
	}
}

// end sends the last frame to every client and takes no new one. No output may follow. flush waits until they have it.
func (h *hub) end(last []byte) {
	h.mu.Lock()
	h.ended = true
	clients := h.clients
	h.mu.Unlock()
	for _, a := range clients {
		a.last = last
		close(a.queue)
	}
}

// flush waits until every client has got what it was sent, or has hung up.
func (h *hub) flush() { h.writers.Wait() }

// offer puts a frame in the client's queue. When that is full it waits: as long as it takes for the client that started the
// container, else for a while, after which the client misses frames until it reads again.
func (a *attached) offer(frame []byte, patience time.Duration) {
	select {
	case a.queue <- frame:
		a.lossy.Store(false)
		return
	case <-a.gone:
		return
	default:
	}
	if a.lossy.Load() {
		return
	}
	var late <-chan time.Time
	if !a.first {
		timer := time.NewTimer(patience)
		defer timer.Stop()
		late = timer.C
	}
	select {
	case a.queue <- frame:
	case <-a.gone:
	case <-late:
		a.lossy.Store(true)
	}
}

// Package wake runs the parts of a network only while they have something to do: it waits in their place for what they serve, starts one in a
// process of its own when something arrives, and waits again when that process has ended for want of work.
//
// What serves names and ports needs wide libraries and some megabytes; most containers are idle, and then nothing but this waits for them. It
// is light: the standard library and golang.org/x/sys only.
package wake

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// FirstFD is the first of a part's files in its process.
const FirstFD = 3

// Part is a process that is started when it is needed, and that ends by itself, with exit status 0, when it has been idle for a while. It dies
// with the process that keeps it.
type Part struct {
	Args  []string `json:"args"`          // Args[0] is its role
	Env   []string `json:"env,omitempty"` // all of its environment
	Files []int    `json:"files"`         // what it gets, from FirstFD on: places in the list of New
	Watch []int    `json:"watch"`         // what wakes it by being readable: places in the list of New
	// Link says that what it watches is the other end of a network link, one frame a read. The frame that woke the part is in one more file,
	// after Files. Frames for nobody in particular wake nothing.
	Link bool `json:"link,omitempty"`
	// Confined has it run in a user namespace of its own, where it has no power over anything: it works with its files alone.
	Confined bool `json:"confined,omitempty"`
}

const (
	pauseFirst = 50 * time.Millisecond // before a part that failed is started again
	pauseLast  = 5 * time.Second
)

// Keeper waits for its parts, while Run runs.
type Keeper struct {
	parts        []*kept
	polled, stop *os.File // a pipe: when stop is closed, it is over
	done         chan struct{}
}

// kept is a part and its process.
type kept struct {
	Part
	files  []int // descriptors
	watch  []int
	pid    int // 0: it does not run
	pidfd  int
	pause  time.Duration // before the next start; 0 after a good end
	notYet time.Time
	gone   bool // its link is gone: there is nothing to wait for
	link   *link
}

// New makes a Keeper. files stay open, and stay the caller's, until Close has returned.
func New(parts []Part, files []*os.File) (*Keeper, error) {
	k := &Keeper{done: make(chan struct{})}
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_CLOEXEC); err != nil {
		return nil, fmt.Errorf("pipe: %w", err)
	}
	k.polled, k.stop = os.NewFile(uintptr(ends[0]), "stop"), os.NewFile(uintptr(ends[1]), "stop")
	for _, p := range parts {
		t := &kept{Part: p}
		for _, list := range []struct {
			from []int
			to   *[]int
		}{{p.Files, &t.files}, {p.Watch, &t.watch}} {
			for _, i := range list.from {
				if i >= len(files) {
					return nil, fmt.Errorf("part %s: no file %d", p.Args[0], i)
				}
				*list.to = append(*list.to, int(files[i].Fd()))
			}
		}
		k.parts = append(k.parts, t)
	}
	return k, nil
}

// Close ends Run and the parts, and returns when they have ended: the ports that they had are free.
func (k *Keeper) Close() {
	k.stop.Close()
	<-k.done
}

// Run waits until Close, or until every link is gone. It is one thread's work, for the parts die with the thread that started them
// (PR_SET_PDEATHSIG): with this process, by whatever it ends.
func (k *Keeper) Run() {
	runtime.LockOSThread() // never unlocked: the thread ends with the goroutine, when no part is left
	defer close(k.done)
	defer k.polled.Close()
	stop := int(k.polled.Fd())
	for k.turn(stop) {
	}
	for _, p := range k.parts {
		p.kill()
	}
}

// turn waits once and acts on it; false: it is over.
func (k *Keeper) turn(stop int) bool {
	fds := []unix.PollFd{{Fd: int32(stop), Events: unix.POLLIN}}
	var whose []*kept
	timeout, now, gone := -1, time.Now(), 0
	for _, p := range k.parts {
		switch {
		case p.gone:
			gone++
		case p.pid != 0:
			fds, whose = append(fds, unix.PollFd{Fd: int32(p.pidfd), Events: unix.POLLIN}), append(whose, p)
		case now.Before(p.notYet):
			if ms := int(p.notYet.Sub(now).Milliseconds()) + 1; timeout < 0 || ms < timeout {
				timeout = ms
			}
		default:
			for _, fd := range p.watch {
				fds, whose = append(fds, unix.PollFd{Fd: int32(fd), Events: unix.POLLIN}), append(whose, p)
			}
		}
	}
	if gone == len(k.parts) {
		return false
	}
	if _, err := unix.Poll(fds, timeout); err != nil && !errors.Is(err, unix.EINTR) {
		return false
	}
	if fds[0].Revents != 0 {
		return false
	}
	for i, f := range fds[1:] {
		if f.Revents != 0 {
			whose[i].act(f.Revents)
		}
	}
	return true
}

// act is what follows from one event: the process has ended, or there is something for it to do.
func (p *kept) act(events int16) {
	if p.pid != 0 {
		p.reap()
		return
	}
	if !p.Link {
		p.start(-1)
		return
	}
	if events&unix.POLLIN == 0 {
		p.gone = true
		return
	}
	frame, err := p.next()
	if err != nil {
		p.gone = true
	} else if frame >= 0 {
		p.start(frame)
		unix.Close(frame)
	}
}

// reap takes the end of the process in. A second descriptor of the same part may have been ready in the same turn, so it may live.
func (p *kept) reap() {
	var ws syscall.WaitStatus
	pid, err := syscall.Wait4(p.pid, &ws, syscall.WNOHANG, nil)
	if pid == 0 || err == syscall.EINTR {
		return
	}
	p.ended(err == nil && ws.Exited() && ws.ExitStatus() == 0)
	Shrink() // by what starting it took
}

func (p *kept) ended(well bool) {
	unix.Close(p.pidfd)
	p.pid, p.pidfd = 0, -1
	if well {
		p.pause = 0
		return
	}
	p.pause = min(max(2*p.pause, pauseFirst), pauseLast)
	p.notYet = time.Now().Add(p.pause)
}

func (p *kept) kill() {
	if p.pid == 0 {
		return
	}
	unix.PidfdSendSignal(p.pidfd, unix.SIGKILL, nil, 0)
	var ws syscall.WaitStatus
	for {
		if _, err := syscall.Wait4(p.pid, &ws, 0, nil); err != syscall.EINTR {
			break
		}
	}
	p.ended(true)
}

package monitor

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// stdio is the three descriptors between a container and its monitor.
type stdio struct {
	theirs [3]*os.File // what the container gets; nil: /dev/null
	lent   [3]bool     // it is the caller's own descriptor, not ours to close
	ours   [3]*os.File // the other ends: [0] to write, [1] and [2] to read; nil where there is none
}

// names are the FIFOs in the run directory.
var names = [3]string{"stdin", "stdout", "stderr"}

// lend gives the container the caller's own descriptor.
func (s *stdio) lend(i int, f *os.File) { s.theirs[i], s.lent[i] = f, true }

// pipe puts an anonymous pipe between: it ends with the monitor.
func (s *stdio) pipe(i int) error {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return fmt.Errorf("pipe: %w", err)
	}
	// Any user of the container may open /dev/stdout again, which is this pipe.
	unix.Fchmod(fds[0], 0o666)
	theirs, ours := fds[1], fds[0]
	if i == 0 {
		theirs, ours = fds[0], fds[1]
	}
	unix.SetNonblock(ours, true)
	s.theirs[i], s.ours[i] = os.NewFile(uintptr(theirs), names[i]), os.NewFile(uintptr(ours), names[i])
	return nil
}

// fifo puts a named pipe of the run directory between. The container's end is open for reading and writing: with no monitor at the
// other end nothing breaks, and the next monitor opens it again.
func (s *stdio) fifo(p Place, i int) error {
	path := p.RunFile(names[i])
	os.Remove(path)
	if err := unix.Mkfifo(path, 0o600); err != nil {
		return fmt.Errorf("mkfifo %s: %w", path, err)
	}
	if err := unix.Chmod(path, 0o666); err != nil { // whatever the umask; the directory keeps others out
		return fmt.Errorf("chmod %s: %w", path, err)
	}
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open %s: %w", path, err)
	}
	s.theirs[i] = os.NewFile(uintptr(fd), path)
	return s.reopen(p, i)
}

// reopen opens the monitor's end of a FIFO that is there.
func (s *stdio) reopen(p Place, i int) error {
	path := p.RunFile(names[i])
	flags := unix.O_RDONLY
	if i == 0 {
		flags = unix.O_RDWR // O_WRONLY would wait for a reader, or fail without one
	}
	fd, err := unix.Open(path, flags|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open %s: %w", path, err)
	}
	s.ours[i] = os.NewFile(uintptr(fd), path)
	return nil
}

// started closes the container's ends: it has its own copies.
func (s *stdio) started() {
	for i, f := range s.theirs {
		if f != nil && !s.lent[i] {
			f.Close()
		}
		s.theirs[i] = nil
	}
}

// close closes everything.
func (s *stdio) close() {
	s.started()
	for i, f := range s.ours {
		if f != nil {
			f.Close()
		}
		s.ours[i] = nil
	}
}

// sink takes what a stream has written; the data is valid during the call only.
type sink func(s Streams, data []byte)

// pumps read the container's streams until their ends.
type pumps struct {
	wg    sync.WaitGroup
	files []*os.File
}

// add begins to read a stream into the sinks.
func (p *pumps) add(f *os.File, s Streams, sinks []sink) {
	p.files = append(p.files, f)
	p.wg.Add(1)
	go func() {
		defer p.wg.Done()
		pump(f, s, sinks)
	}()
}

// finish is called when the container has ended. What it wrote is still in the pipes; what a process that outlived it (with --pid host) may
// still write is not waited for.
func (p *pumps) finish() {
	for _, f := range p.files {
		f.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	}
}

// done is closed when all that the streams had was given to the sinks.
func (p *pumps) done() <-chan struct{} {
	done := make(chan struct{})
	go func() {
		p.wg.Wait()
		close(done)
	}()
	return done
}

func pump(f *os.File, s Streams, sinks []sink) {
	defer f.Close()
	buf := make([]byte, maxFrame)
	for {
		n, err := f.Read(buf)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			drain(f, buf, func(data []byte) { give(s, data, sinks) })
			return
		}
		if n > 0 {
			give(s, buf[:n], sinks)
		}
		if err != nil { // EIO is a terminal's end
			return
		}
	}
}

func give(s Streams, data []byte, sinks []sink) {
	for _, take := range sinks {
		take(s, data)
	}
}

// drain reads what a pipe holds now, at most what fits in one, without waiting.
func drain(f *os.File, buf []byte, take func([]byte)) {
	raw, err := f.SyscallConn()
	if err != nil {
		return
	}
	raw.Control(func(fd uintptr) {
		for left := 1 << 20; left > 0; {
			n, err := unix.Read(int(fd), buf)
			if n <= 0 || err != nil {
				return
			}
			take(buf[:n])
			left -= n
		}
	})
}

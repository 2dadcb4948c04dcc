package engine

import (
	"context"
	"fmt"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// tail tells when a running container's log grows, and when the container has ended. It asks the kernel to be told; it polls nothing.
type tail struct {
	cancel  context.CancelFunc
	stopped <-chan struct{} // closed when nobody wants to know any more
	notify  *os.File        // inotify(7) on the container's directory
	changed chan struct{}   // something was written there
	ended   chan struct{}   // closed when the container has ended, and its log is complete
	wg      sync.WaitGroup
}

func (e *Engine) newTail(ctx context.Context, c *Container) (*tail, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("inotify: %w", err)
	}
	t := &tail{notify: os.NewFile(uintptr(fd), "inotify"), changed: make(chan struct{}, 1), ended: make(chan struct{})}
	if _, err := unix.InotifyAddWatch(fd, c.place.Dir(), unix.IN_MODIFY|unix.IN_CREATE); err != nil {
		t.notify.Close()
		return nil, fmt.Errorf("watch %s: %w", c.place.Dir(), err)
	}
	w, err := e.watch(c)
	if err != nil {
		t.notify.Close()
		return nil, err
	}
	ctx, t.cancel = context.WithCancel(ctx)
	t.stopped = ctx.Done()
	t.wg.Add(2)
	go t.read()
	go func() {
		defer t.wg.Done()
		defer w.close()
		defer close(t.ended)
		w.wait(ctx)
	}()
	return t, nil
}

// read turns the kernel's events into a word on changed.
func (t *tail) read() {
	defer t.wg.Done()
	buf := make([]byte, 4<<10)
	for {
		if _, err := t.notify.Read(buf); err != nil {
			return
		}
		select {
		case t.changed <- struct{}{}:
		default:
		}
	}
}

func (t *tail) close() {
	t.cancel()
	t.notify.Close()
	t.wg.Wait()
}

// more waits until there may be more to read; false: there will be no more.
func (t *tail) more() bool {
	select {
	case <-t.changed:
		return true
	default:
	}
	select {
	case <-t.changed:
		return true
	case <-t.ended:
		return false
	case <-t.stopped:
		return false
	}
}

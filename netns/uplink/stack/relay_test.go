package stack

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
)

// TestSweep: ends that have not spoken for long are given up, others are not.
func TestSweep(t *testing.T) {
	r := &router{stack: newStack()}
	var err error
	if r.relay, err = newRelay(); err != nil {
		t.Fatal(err)
	}
	defer r.relay.close()
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	p := &pair{router: r, idle: time.Hour, outer: socket}
	endpoint, failed := r.stack.NewEndpoint(udp.ProtocolNumber, ipv4.ProtocolNumber, &p.queue)
	if failed != nil {
		t.Fatal(failed)
	}
	p.inner = endpoint
	p.wake()
	r.open.Add(1)
	r.relay.add(p)
	for _, c := range []struct {
		later time.Duration
		open  int64
	}{{time.Minute, 1}, {2 * time.Hour, 0}} {
		r.relay.sweep(time.Now().Add(c.later))
		for end := time.Now().Add(time.Second); r.open.Load() != 0 && time.Now().Before(end); {
			time.Sleep(10 * time.Millisecond)
		}
		if n := r.open.Load(); n != c.open {
			t.Errorf("after %v: %d open", c.later, n)
		}
	}
	if _, err := unix.FcntlInt(uintptr(socket), unix.F_GETFD, 0); err != unix.EBADF {
		t.Errorf("the socket is open still: %v", err)
	}
}

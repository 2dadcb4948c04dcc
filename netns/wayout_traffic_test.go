package netns

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"codeberg.org/hoy/hoy/netns/space"
)

// through makes connections from a container of its own, by the user-mode stack, to the other machine, and gives both ends of each.
func through(t *testing.T) func() (inner, outer *net.TCPConn) {
	t.Helper()
	l := newLab(t)
	ns, _ := l.out()
	var listener net.Listener
	err := space.Do(l.world, func() (err error) {
		listener, err = net.Listen("tcp4", "203.0.113.2:80")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	return func() (inner, outer *net.TCPConn) {
		t.Helper()
		var c net.Conn
		err := space.Do(ns, func() (err error) {
			c, err = net.DialTimeout("tcp4", "203.0.113.2:80", 10*time.Second)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		other, err := listener.Accept()
		if err != nil {
			t.Fatal(err)
		}
		inner, outer = c.(*net.TCPConn), other.(*net.TCPConn)
		for _, c := range []net.Conn{inner, outer} {
			c.SetDeadline(time.Now().Add(20 * time.Second))
			t.Cleanup(func() { c.Close() })
		}
		return inner, outer
	}
}

// TestWayOutHalves: each direction has its own end, and nothing is lost or added on the way.
func TestWayOutHalves(t *testing.T) {
	connect := through(t)
	for _, inwards := range []bool{false, true} {
		first, second := connect()
		if inwards {
			first, second = second, first
		}
		for _, way := range [][2]*net.TCPConn{{first, second}, {second, first}} {
			data := make([]byte, 9<<20+1)
			rand.Read(data)
			go func() {
				way[0].Write(data)
				way[0].CloseWrite()
			}()
			got, err := io.ReadAll(way[1])
			if err != nil || sha256.Sum256(got) != sha256.Sum256(data) {
				t.Fatalf("inwards %v: %d bytes of %d: %v", inwards, len(got), len(data), err)
			}
		}
	}
}

// TestWayOutReset: a connection that is reset on one side is so on the other, at once, also while much is under way.
func TestWayOutReset(t *testing.T) {
	connect := through(t)
	for _, inwards := range []bool{false, true} {
		for _, loaded := range []bool{false, true} {
			who, other := connect()
			if inwards {
				who, other = other, who
			}
			if loaded {
				other.SetWriteDeadline(time.Now().Add(200 * time.Millisecond))
				io.Copy(other, endless{})
			}
			who.SetLinger(0)
			who.Close()
			if _, err := io.Copy(io.Discard, other); !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
				t.Errorf("inwards %v, loaded %v: %v", inwards, loaded, err)
			}
		}
	}
}

// endless is a source.
type endless struct{}

func (endless) Read(b []byte) (int, error) { return len(b), nil }

// TestWayOutStalled: who sends to somebody who does not read has to wait before long, and everything arrives when that one does read.
func TestWayOutStalled(t *testing.T) {
	connect := through(t)
	for _, inwards := range []bool{false, true} {
		from, to := connect()
		if inwards {
			from, to = to, from
		}
		from.SetWriteDeadline(time.Now().Add(time.Second))
		sent, _ := io.Copy(from, endless{})
		if sent < 1<<20 || sent > 64<<20 {
			t.Errorf("inwards %v: %d bytes are sent to nobody", inwards, sent)
		}
		from.CloseWrite()
		got, err := io.Copy(io.Discard, to)
		if err != nil || got != sent {
			t.Errorf("inwards %v: %d bytes of %d arrive: %v", inwards, got, sent, err)
		}
	}
}

// TestWayOutMany: connections that speak at once do not get into each other's way.
func TestWayOutMany(t *testing.T) {
	connect := through(t)
	var tasks sync.WaitGroup
	for i := range 100 {
		inner, outer := connect()
		go io.Copy(outer, outer)
		tasks.Go(func() {
			data := bytes.Repeat([]byte{byte(i)}, 100_000)
			got := make([]byte, len(data))
			for range 5 {
				go inner.Write(data)
				if _, err := io.ReadFull(inner, got); err != nil || !bytes.Equal(got, data) {
					t.Errorf("connection %d: %v", i, err)
					return
				}
			}
		})
	}
	tasks.Wait()
}

// TestWayOutDatagrams: datagrams of all sizes arrive whole, the empty one too.
func TestWayOutDatagrams(t *testing.T) {
	l := newLab(t)
	ns, _ := l.out()
	var server net.PacketConn
	var client net.Conn
	err := errors.Join(
		space.Do(l.world, func() (err error) {
			server, err = net.ListenPacket("udp4", "203.0.113.2:53")
			return err
		}),
		space.Do(ns, func() (err error) {
			client, err = net.Dial("udp4", "203.0.113.2:53")
			return err
		}),
	)
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	defer client.Close()
	deadline := time.Now().Add(20 * time.Second)
	server.SetDeadline(deadline)
	client.SetDeadline(deadline)
	buf := make([]byte, 1<<16)
	for _, size := range []int{1, 0, 1400, 1500, 30_000, 65_000, 0, 1} {
		data := make([]byte, size)
		rand.Read(data)
		client.Write(data)
		n, from, err := server.ReadFrom(buf)
		if err != nil || !bytes.Equal(buf[:n], data) {
			t.Fatalf("%d bytes out: %d: %v", size, n, err)
		}
		server.WriteTo(data, from)
		if n, err = client.Read(buf); err != nil || !bytes.Equal(buf[:n], data) {
			t.Fatalf("%d bytes in: %d: %v", size, n, err)
		}
	}
}

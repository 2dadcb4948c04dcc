package publish

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"codeberg.org/hoy/hoy/netns/record"
)

// published serves a port that leads to service, which is given each connection, and gives its address. No socket is left in the end.
func published(t *testing.T, service func(*net.TCPConn)) string {
	t.Helper()
	before := sockets(t)
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var services sync.WaitGroup
	if service == nil {
		l.Close()
	} else {
		services.Go(func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				services.Go(func() {
					defer c.Close()
					service(c.(*net.TCPConn))
				})
			}
		})
	}
	port := uint16(l.Addr().(*net.TCPAddr).Port)
	ports, err := Reserve([]record.Port{{HostIP: local, Port: port, Protocol: "tcp"}}, false)
	if err != nil {
		t.Fatal(err)
	}
	server, err := ports.Server(Target{IPv4: local})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	idle := make(chan error)
	go func() {
		for busy := true; busy || ctx.Err() == nil; {
			var err error
			if busy, err = server.Round(context.Background(), time.Now().Add(20*time.Millisecond)); err != nil {
				idle <- err
				return
			}
		}
		idle <- nil
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-idle; err != nil {
			t.Error(err)
		}
		server.Close()
		l.Close()
		services.Wait()
		if now := sockets(t); now > before {
			t.Errorf("%d sockets are open, %d were before", now, before)
		}
	})
	return fmt.Sprintf("127.0.0.1:%d", ports.Bound()[0].HostPort)
}

// sockets counts them: Go's own copying keeps pipes.
func sockets(t *testing.T) (n int) {
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		if name, err := os.Readlink("/proc/self/fd/" + f.Name()); err == nil && strings.HasPrefix(name, "socket:") {
			n++
		}
	}
	return n
}

func connect(t *testing.T, address string) *net.TCPConn {
	t.Helper()
	c, err := net.DialTimeout("tcp4", address, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(20 * time.Second))
	return c.(*net.TCPConn)
}

func TestReset(t *testing.T) {
	c, err := net.Dial("tcp4", published(t, nil))
	if err == nil { // or the reset comes before connect looks
		_, err = c.Read(make([]byte, 1))
		c.Close()
	}
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("a port that nobody listens on: %v", err)
	}
	gone := make(chan error, 1)
	client := connect(t, published(t, func(c *net.TCPConn) {
		_, err := io.Copy(io.Discard, c)
		gone <- err
	}))
	client.Write([]byte("x"))
	time.Sleep(50 * time.Millisecond)
	client.SetLinger(0)
	client.Close()
	if err := <-gone; !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the service of a client that resets: %v", err)
	}
}

// TestSlow has much go both ways at once while nobody reads at first, and each end ends alone.
func TestSlow(t *testing.T) {
	data := make([]byte, 24<<20)
	rand.Read(data)
	both := func(c *net.TCPConn) error {
		sent := make(chan error, 1)
		go func() {
			_, err := c.Write(data)
			sent <- errors.Join(err, c.CloseWrite())
		}()
		time.Sleep(100 * time.Millisecond)
		got, err := io.ReadAll(c)
		if err == nil && !bytes.Equal(got, data) {
			err = fmt.Errorf("%d of %d bytes, or others", len(got), len(data))
		}
		return errors.Join(err, <-sent)
	}
	failed := make(chan error, 1)
	c := connect(t, published(t, func(c *net.TCPConn) { failed <- both(c) }))
	defer c.Close()
	if err := both(c); err != nil {
		t.Error("client:", err)
	}
	if err := <-failed; err != nil {
		t.Error("service:", err)
	}
}

// TestManyConnections has each of them open at the same time.
func TestManyConnections(t *testing.T) {
	address := published(t, func(c *net.TCPConn) { io.Copy(c, c) })
	var conns []*net.TCPConn
	for range 300 {
		conns = append(conns, connect(t, address))
	}
	for round := range 3 {
		for i, c := range conns {
			fmt.Fprintf(c, "%4d %4d", round, i)
		}
		buf := make([]byte, 9)
		for i, c := range conns {
			if _, err := io.ReadFull(c, buf); err != nil || string(buf) != fmt.Sprintf("%4d %4d", round, i) {
				t.Fatalf("connection %d gets %q, %v", i, buf, err)
			}
		}
	}
	for _, c := range conns {
		c.CloseWrite()
		if n, err := c.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			t.Fatalf("after the end: %d bytes, %v", n, err)
		}
		c.Close()
	}
}

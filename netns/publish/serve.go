package publish

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"codeberg.org/hoy/hoy/netns/space"
)

const dialPatience = 10 * time.Second

// server passes on the traffic of one container's ports.
type server struct {
	target Target
	tasks  sync.WaitGroup

	mu    sync.Mutex
	conns map[net.Conn]bool // nil: closed
}

// Serve passes on what arrives until ctx is done; then it closes the ports and all connections, and waits for their goroutines.
func (p *Ports) Serve(ctx context.Context, t Target) {
	s := &server{target: t, conns: map[net.Conn]bool{}}
	for _, socket := range p.sockets {
		s.tasks.Go(func() {
			if socket.tcp != nil {
				s.serveTCP(ctx, socket)
			} else {
				s.serveUDP(ctx, socket)
			}
		})
	}
	<-ctx.Done()
	p.Close()
	s.closeAll()
	s.tasks.Wait()
}

// hold has the connection closed with the server; false when that has happened already.
func (s *server) hold(c net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conns == nil {
		c.Close()
		return false
	}
	s.conns[c] = true
	return true
}

func (s *server) release(c net.Conn) {
	c.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
}

func (s *server) closeAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.Close()
	}
	s.conns = nil
}

func (s *server) serveTCP(ctx context.Context, socket socket) {
	for {
		client, err := socket.tcp.AcceptTCP()
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return
			}
			time.Sleep(10 * time.Millisecond) // out of descriptors: accept(2) would fail again at once
			continue
		}
		if !s.hold(client) {
			return
		}
		s.tasks.Go(func() {
			defer s.release(client)
			s.join(ctx, client, socket.port.Port)
		})
	}
}

// join connects the client with the container and copies both ways until both have ended.
func (s *server) join(ctx context.Context, client *net.TCPConn, port uint16) {
	from := client.RemoteAddr().(*net.TCPAddr).AddrPort()
	conn, err := s.dial(ctx, "tcp", unmap(from), port)
	if err != nil {
		client.SetLinger(0) // the client sees a reset, as from a port that nobody listens on
		return
	}
	inner := conn.(*net.TCPConn)
	if !s.hold(inner) {
		return
	}
	defer s.release(inner)
	done := make(chan struct{})
	go func() {
		defer close(done)
		pass(inner, client)
	}()
	pass(client, inner)
	<-done
}

// pass copies one way (by splice(2)) and passes the end on.
func pass(to, from *net.TCPConn) {
	if _, err := io.Copy(to, from); err != nil {
		to.SetLinger(0)
		to.Close()
		from.Close()
		return
	}
	to.CloseWrite()
}

func unmap(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }

// dial connects to the container from inside of its namespace, never to its loopback address, which services take for
// themselves (CVE-2021-20199). It does so with the client's address where that is possible, else with one of the container's.
func (s *server) dial(ctx context.Context, network string, client netip.AddrPort, port uint16) (net.Conn, error) {
	ip, gateway := s.target.IPv4, s.target.Gateway4
	if !ip.IsValid() || client.Addr().Is6() && s.target.IPv6.IsValid() {
		ip, gateway = s.target.IPv6, s.target.Gateway6
	}
	to, source := netip.AddrPortFrom(ip, port), sourceOf(client, ip, gateway)
	if s.target.Mark != 0 && source.IsValid() {
		conn, err := s.connect(ctx, network, to, source)
		if err == nil || errors.Is(err, unix.ECONNREFUSED) || ctx.Err() != nil {
			return conn, err
		}
		// The client's port is in use there, or the kernel does not let us: without the address, but connected.
	}
	return s.connect(ctx, network, to, netip.AddrPort{})
}

func (s *server) connect(ctx context.Context, network string, to, source netip.AddrPort) (conn net.Conn, err error) {
	d := net.Dialer{Timeout: dialPatience}
	d.SetMultipathTCP(false)
	if source.IsValid() {
		d.LocalAddr = localAddr(network, source)
		d.Control = func(_, _ string, c syscall.RawConn) error { return foreign(c, to.Addr(), s.target.Mark) }
	}
	err = space.Do(s.target.NS, func() (err error) {
		conn, err = d.DialContext(ctx, network, to.String())
		return err
	})
	return conn, err
}

// sourceOf is what the service is to see as its client. A client of this host has no address that the container could answer to.
func sourceOf(client netip.AddrPort, to, gateway netip.Addr) netip.AddrPort {
	if client.Addr().IsLoopback() || client.Addr().Is4() != to.Is4() || client.Addr().IsLinkLocalUnicast() {
		return netip.AddrPortFrom(gateway, 0)
	}
	return client
}

func localAddr(network string, a netip.AddrPort) net.Addr {
	if network == "udp" {
		return net.UDPAddrFromAddrPort(a)
	}
	return net.TCPAddrFromAddrPort(a)
}

// foreign lets a socket have an address that is not the namespace's, and marks its packets, by which the replies find back.
func foreign(c syscall.RawConn, to netip.Addr, mark int) error {
	var err error
	failed := c.Control(func(fd uintptr) {
		level, option := unix.IPPROTO_IP, unix.IP_TRANSPARENT
		if to.Is6() {
			level, option = unix.IPPROTO_IPV6, unix.IPV6_TRANSPARENT
		}
		err = errors.Join(
			unix.SetsockoptInt(int(fd), level, option, 1),
			unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_MARK, mark),
			unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEADDR, 1),
		)
	})
	return errors.Join(failed, err)
}

package publish

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"codeberg.org/hoy/hoy/netns/space"
)

const dialPatience = 10 * time.Second

// Server passes on the traffic of one container's ports.
type Server struct {
	ports  *Ports
	target Target
	tasks  sync.WaitGroup // of connections

	mu    sync.Mutex
	conns map[net.Conn]bool // nil: closed
}

// Server makes the server of the ports. It is for Round, and for Close in the end.
func (p *Ports) Server(t Target) *Server {
	return &Server{ports: p, target: t, conns: map[net.Conn]bool{}}
}

// Round passes on what arrives until then, or until ctx is done. It says whether there was anything to do, or still is: connections outlive a
// round. What arrives between two rounds waits for the next one.
func (s *Server) Round(ctx context.Context, until time.Time) (busy bool) {
	var loops sync.WaitGroup
	var came atomic.Bool
	for _, socket := range s.ports.sockets {
		socket.until(until)
		loops.Go(func() {
			serve := s.serveTCP
			if socket.tcp == nil {
				serve = s.serveUDP
			}
			if serve(ctx, socket) {
				came.Store(true)
			}
		})
	}
	stop := context.AfterFunc(ctx, func() { s.ports.until(time.Unix(1, 0)) })
	loops.Wait()
	stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	return came.Load() || len(s.conns) > 0
}

// Close closes the ports and all connections, and waits for their goroutines.
func (s *Server) Close() {
	s.ports.Close()
	s.mu.Lock()
	for c := range s.conns {
		c.Close()
	}
	s.conns = nil
	s.mu.Unlock()
	s.tasks.Wait()
}

// hold has the connection closed with the server; false when that has happened already.
func (s *Server) hold(c net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conns == nil {
		c.Close()
		return false
	}
	s.conns[c] = true
	return true
}

func (s *Server) release(c net.Conn) {
	c.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
}

// serveTCP says whether anybody came.
func (s *Server) serveTCP(ctx context.Context, socket socket) (came bool) {
	for {
		client, err := socket.tcp.AcceptTCP()
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, net.ErrClosed) || errors.Is(err, os.ErrDeadlineExceeded) {
				return came
			}
			time.Sleep(10 * time.Millisecond) // out of descriptors: accept(2) would fail again at once
			continue
		}
		came = true
		if !s.hold(client) {
			return came
		}
		s.tasks.Go(func() {
			defer s.release(client)
			s.join(ctx, client, socket.port.Port)
		})
	}
}

// join connects the client with the container and copies both ways until both have ended.
func (s *Server) join(ctx context.Context, client *net.TCPConn, port uint16) {
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
func (s *Server) dial(ctx context.Context, network string, client netip.AddrPort, port uint16) (net.Conn, error) {
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

func (s *Server) connect(ctx context.Context, network string, to, source netip.AddrPort) (conn net.Conn, err error) {
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

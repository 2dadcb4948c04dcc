package publish

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"codeberg.org/hoy/hoy/netns/space"
)

// Server passes on the traffic of one container's ports.
type Server struct {
	ports  *Ports
	target Target
	loop   *loop          // TCP; nil: no such port
	tasks  sync.WaitGroup // of UDP clients

	mu    sync.Mutex
	conns map[net.Conn]bool // UDP; nil: closed
}

// Server makes the server of the ports. It is for Round, one at a time, and for Close in the end.
func (p *Ports) Server(t Target) (*Server, error) {
	s := &Server{ports: p, target: t, conns: map[net.Conn]bool{}}
	if slices.ContainsFunc(p.sockets, func(s socket) bool { return s.tcp != 0 }) {
		var err error
		if s.loop, err = newLoop(p.sockets, t); err != nil {
			return nil, fmt.Errorf("wait for connections: %w", err)
		}
	}
	return s, nil
}

// Round passes on what arrives until then, or until ctx is done. It says whether there was anything to do, or still is: connections outlive a
// round. What arrives between two rounds waits for the next one.
func (s *Server) Round(ctx context.Context, until time.Time) (busy bool, err error) {
	var loops sync.WaitGroup
	var came atomic.Bool
	for _, socket := range s.ports.sockets {
		if socket.udp == nil {
			continue
		}
		socket.udp.SetReadDeadline(until)
		loops.Go(func() {
			if s.serveUDP(ctx, socket) {
				came.Store(true)
			}
		})
	}
	stop := context.AfterFunc(ctx, func() { s.ports.until(time.Unix(1, 0)) })
	if s.loop != nil {
		err = space.Do(s.target.NS, func() error {
			any, err := s.loop.run(ctx, until)
			if any {
				came.Store(true)
			}
			return err
		})
	}
	loops.Wait()
	stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	return came.Load() || len(s.conns) > 0 || s.loop != nil && s.loop.count > 0, err
}

// Close closes the ports and all connections, and waits for their goroutines. No round may be under way.
func (s *Server) Close() {
	s.ports.Close()
	if s.loop != nil {
		s.loop.close()
	}
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

func unmap(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }

// route gives where a client is led to, and with which address: invalid, one of the container's own. It is never the container's loopback address,
// which services take for themselves (CVE-2021-20199).
func (t Target) route(client netip.AddrPort, port uint16) (to, source netip.AddrPort) {
	ip, gateway := t.IPv4, t.Gateway4
	if !ip.IsValid() || client.Addr().Is6() && t.IPv6.IsValid() {
		ip, gateway = t.IPv6, t.Gateway6
	}
	if source = sourceOf(client, ip, gateway); t.Mark == 0 || !source.Addr().IsValid() {
		source = netip.AddrPort{}
	}
	return netip.AddrPortFrom(ip, port), source
}

// dialUDP connects to the container from inside of its namespace, with the client's address where that is possible.
func (s *Server) dialUDP(ctx context.Context, client netip.AddrPort, port uint16) (net.Conn, error) {
	to, source := s.target.route(client, port)
	if source.IsValid() {
		conn, err := s.connect(ctx, to, source)
		if err == nil || ctx.Err() != nil {
			return conn, err
		}
		// The client's port is in use there, or the kernel does not let us: without the address, but connected.
	}
	return s.connect(ctx, to, netip.AddrPort{})
}

func (s *Server) connect(ctx context.Context, to, source netip.AddrPort) (conn net.Conn, err error) {
	var d net.Dialer
	if source.IsValid() {
		d.LocalAddr = net.UDPAddrFromAddrPort(source)
		d.Control = func(_, _ string, c syscall.RawConn) error {
			var err error
			return errors.Join(c.Control(func(fd uintptr) { err = foreign(int(fd), to.Addr(), s.target.Mark) }), err)
		}
	}
	err = space.Do(s.target.NS, func() (err error) {
		conn, err = d.DialContext(ctx, "udp", to.String())
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

// foreign lets a socket have an address that is not the namespace's, and marks its packets, by which the replies find back.
func foreign(fd int, to netip.Addr, mark int) error {
	level, option := unix.IPPROTO_IP, unix.IP_TRANSPARENT
	if to.Is6() {
		level, option = unix.IPPROTO_IPV6, unix.IPV6_TRANSPARENT
	}
	return errors.Join(
		unix.SetsockoptInt(fd, level, option, 1),
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_MARK, mark),
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1),
	)
}

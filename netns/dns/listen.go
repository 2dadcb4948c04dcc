// Package dns is the name service inside of a container's network namespace: it answers for the containers of the same networks,
// and passes the rest on.
//
// A container asks 127.0.0.11:53 (resolv.conf). Its monitor serves it, on sockets opened inside of the namespace. They are on
// ports of the kernel's choice, to which package nft redirects port 53, for a container may be a name server itself and want port
// 53 on every address. Nothing is ever bound on the host or a bridge. It is light: the standard library and golang.org/x/sys only.
package dns

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"codeberg.org/hoy/hoy/netns/space"
)

// Address is the resolver's address in every container, as in Docker's.
var Address = netip.AddrFrom4([4]byte{127, 0, 0, 11})

// Port is the port that a container asks.
const Port = 53

// Ports are the ports that the name service of a container is really on. They are kept with the container, so that a second
// monitor can take the first one's place.
type Ports struct {
	UDP uint16 `json:"udp"`
	TCP uint16 `json:"tcp"`
}

// Sockets are the service's sockets. Close closes them, or Server.Close.
type Sockets struct {
	udp *net.UDPConn
	tcp *net.TCPListener
}

// Listen opens the sockets inside of a namespace, on these ports: 0 is the kernel's choice, Port needs no redirection but
// keeps a name server in the container from its port.
func Listen(ns *os.File, p Ports) (*Sockets, error) {
	s := new(Sockets)
	err := space.Do(ns, func() (err error) {
		if s.udp, err = net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(Address, p.UDP))); err != nil {
			return err
		}
		config := net.ListenConfig{Control: reuse}
		l, err := config.Listen(context.Background(), "tcp4", netip.AddrPortFrom(Address, p.TCP).String())
		if err != nil {
			s.udp.Close()
			return err
		}
		s.tcp = l.(*net.TCPListener)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("open the name service's sockets: %w", err)
	}
	return s, nil
}

// reuse is for a second monitor: connections of the first one may linger.
func reuse(_, _ string, c syscall.RawConn) error {
	var err error
	return errors.Join(c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEADDR, 1) }), err)
}

// Ports are those that the sockets are on.
func (s *Sockets) Ports() Ports {
	return Ports{
		UDP: s.udp.LocalAddr().(*net.UDPAddr).AddrPort().Port(),
		TCP: s.tcp.Addr().(*net.TCPAddr).AddrPort().Port(),
	}
}

// Files gives copies of the sockets, UDP first, for a monitor that is another process. Close closes the originals.
func (s *Sockets) Files() (udp, tcp *os.File, err error) {
	if udp, err = s.udp.File(); err != nil {
		return nil, nil, err
	}
	if tcp, err = s.tcp.File(); err != nil {
		udp.Close()
		return nil, nil, err
	}
	return udp, tcp, nil
}

// FromFiles makes Sockets of inherited files, which it closes.
func FromFiles(udp, tcp *os.File) (*Sockets, error) {
	defer udp.Close()
	defer tcp.Close()
	conn, err := net.FilePacketConn(udp)
	if err != nil {
		return nil, err
	}
	l, err := net.FileListener(tcp)
	if err != nil {
		conn.Close()
		return nil, err
	}
	u, isUDP := conn.(*net.UDPConn)
	t, isTCP := l.(*net.TCPListener)
	if !isUDP || !isTCP {
		return nil, errors.Join(errors.New("inherited files are not the name service's sockets"), conn.Close(), l.Close())
	}
	return &Sockets{u, t}, nil
}

// until has what waits for the sockets give up then.
func (s *Sockets) until(t time.Time) {
	s.udp.SetReadDeadline(t)
	s.tcp.SetDeadline(t)
}

// Close closes the sockets.
func (s *Sockets) Close() error { return errors.Join(s.udp.Close(), s.tcp.Close()) }

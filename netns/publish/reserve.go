// Package publish makes a container's published ports the host's: it reserves them, and passes on what arrives on them by
// connecting from inside of the container's namespace.
//
// As root most traffic never gets here, for package nft translates it in the kernel; what is left is what comes from the host's
// loopback addresses, and from IPv6 to a container without it. Rootless, all of it comes this way. A container's monitor runs it,
// so it imports the standard library and golang.org/x/sys only.
package publish

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"codeberg.org/hoy/hoy/netns/record"
)

// What callers ask for with errors.Is.
var (
	ErrTaken      = errors.New("port is already in use")
	ErrPrivileged = errors.New("port needs privilege")
	ErrSCTP       = errors.New("sctp ports are published by the kernel only, as root")
)

// Ports are reserved ports. Close closes them, or Server.Close.
type Ports struct {
	sockets []socket
	rest    []record.Port // without a socket: sctp
}

// socket is one reserved port.
type socket struct {
	port  record.Port
	tcp   int // a listening socket, which Go's own poller is to know nothing of; one of the two is set
	udp   *net.UDPConn
	relay *relay // with udp
}

// until has what waits for datagrams give up then.
func (p *Ports) until(t time.Time) {
	for _, s := range p.sockets {
		if s.udp != nil {
			s.udp.SetReadDeadline(t)
		}
	}
}

// Reserve binds the ports on the host, each to the first free one of its range or one of the kernel's choice. All of them or none.
// kernel says that package nft translates too, so that an sctp port can be had; it has no socket and is not checked.
// Errors: ErrTaken and ErrPrivileged, which name the port; ErrSCTP.
func Reserve(ports []record.Port, kernel bool) (*Ports, error) {
	p := new(Ports)
	for _, want := range ports {
		if want.Protocol == "sctp" {
			if !kernel || want.HostPort == 0 {
				p.Close()
				return nil, fmt.Errorf("publish port %d/sctp: %w, with a host port", want.Port, ErrSCTP)
			}
			p.rest = append(p.rest, want)
			continue
		}
		s, err := reserve(want)
		if err != nil {
			p.Close()
			return nil, err
		}
		p.sockets = append(p.sockets, s)
	}
	return p, nil
}

// reserve takes the first port of the range that is free.
func reserve(want record.Port) (socket, error) {
	end := max(want.HostEnd, want.HostPort)
	for n := want.HostPort; ; n++ {
		s, err := bind(want, n)
		if err == nil {
			return s, nil
		}
		if n >= end || !errors.Is(err, ErrTaken) {
			return socket{}, err
		}
	}
}

func bind(want record.Port, number uint16) (socket, error) {
	s, err := listen(want, number, "")
	if errors.Is(err, unix.EAFNOSUPPORT) || errors.Is(err, unix.EADDRNOTAVAIL) && !want.HostIP.IsValid() {
		s, err = listen(want, number, "4") // the host has no IPv6
	}
	if err != nil {
		return s, explain(want, number, err)
	}
	s.port.HostEnd = s.port.HostPort
	return s, nil
}

// listen binds a socket; without an address one of both families, which is IPv6's with IPv4 in it.
func listen(want record.Port, number uint16, family string) (s socket, err error) {
	host := ""
	if want.HostIP.IsValid() {
		host = want.HostIP.String()
		family = map[bool]string{true: "4", false: "6"}[want.HostIP.Is4()]
	}
	address := net.JoinHostPort(host, strconv.Itoa(int(number)))
	s.port = want
	config := net.ListenConfig{}
	config.SetMultipathTCP(false) // splice(2) knows TCP only
	if want.Protocol == "tcp" {
		l, err := config.Listen(context.Background(), "tcp"+family, address)
		if err != nil {
			return s, err
		}
		defer l.Close()
		s.port.HostPort = l.Addr().(*net.TCPAddr).AddrPort().Port()
		s.tcp, err = duplicate(l.(*net.TCPListener))
		return s, err
	}
	config.Control = receiveDestination
	c, err := config.ListenPacket(context.Background(), "udp"+family, address)
	if err != nil {
		return s, err
	}
	s.udp, s.relay = c.(*net.UDPConn), newRelay()
	s.port.HostPort = c.LocalAddr().(*net.UDPAddr).AddrPort().Port()
	return s, nil
}

// duplicate gives a descriptor of the same socket, outside of Go's poller.
func duplicate(c syscall.Conn) (fd int, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, err
	}
	failed := raw.Control(func(own uintptr) { fd, err = unix.FcntlInt(own, unix.F_DUPFD_CLOEXEC, 1) })
	return fd, errors.Join(failed, err)
}

// receiveDestination has every datagram come with the address it was sent to, so that the reply comes from there.
func receiveDestination(network, _ string, c syscall.RawConn) error {
	var err error
	failed := c.Control(func(fd uintptr) {
		if network == "udp4" {
			err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_PKTINFO, 1)
		} else {
			err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1)
		}
	})
	return errors.Join(failed, err)
}

// explain names the port, and what mends it.
func explain(want record.Port, number uint16, err error) error {
	host := "0.0.0.0"
	if want.HostIP.IsValid() {
		host = want.HostIP.String()
	}
	name := net.JoinHostPort(host, strconv.Itoa(int(number))) + "/" + want.Protocol
	switch {
	case errors.Is(err, unix.EADDRINUSE):
		return fmt.Errorf("bind for %s: %w", name, ErrTaken)
	case errors.Is(err, unix.EACCES):
		return fmt.Errorf("bind for %s: %w: sysctl net.ipv4.ip_unprivileged_port_start=%d allows it to every user", name, ErrPrivileged, number)
	case errors.Is(err, unix.EAFNOSUPPORT):
		return fmt.Errorf("bind for %s: the host has no IPv6", name)
	case errors.Is(err, unix.EADDRNOTAVAIL):
		return fmt.Errorf("bind for %s: the host does not have that address", name)
	}
	return fmt.Errorf("bind for %s: %w", name, err)
}

// Bound gives the ports as they are bound: HostPort is the port taken.
func (p *Ports) Bound() []record.Port {
	var out []record.Port
	for _, s := range p.sockets {
		out = append(out, s.port)
	}
	return append(out, p.rest...)
}

// Files gives copies of the sockets, in the order of Bound without sctp, for a monitor that is another process. Close closes the originals.
func (p *Ports) Files() ([]*os.File, error) {
	var out []*os.File
	for _, s := range p.sockets {
		f, err := s.file()
		if err != nil {
			for _, f := range out {
				f.Close()
			}
			return nil, fmt.Errorf("pass on port %d: %w", s.port.HostPort, err)
		}
		out = append(out, f)
	}
	return out, nil
}

func (s socket) file() (*os.File, error) {
	if s.tcp != 0 {
		fd, err := unix.FcntlInt(uintptr(s.tcp), unix.F_DUPFD_CLOEXEC, 1)
		return os.NewFile(uintptr(fd), "port"), err
	}
	return s.udp.File()
}

// FromFiles makes Ports of what Bound and Files gave. It closes the files.
func FromFiles(bound []record.Port, files []*os.File) (*Ports, error) {
	p := new(Ports)
	var err error
	for _, b := range bound {
		if b.Protocol == "sctp" {
			p.rest = append(p.rest, b)
			continue
		}
		if len(files) == 0 {
			return nil, errors.Join(err, fmt.Errorf("no socket for port %d", b.HostPort), p.Close())
		}
		s, failed := inherit(b, files[0])
		err = errors.Join(err, failed, files[0].Close())
		files = files[1:]
		p.sockets = append(p.sockets, s)
	}
	if err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

func inherit(b record.Port, f *os.File) (socket, error) {
	s := socket{port: b}
	if b.Protocol == "tcp" {
		var err error
		s.tcp, err = duplicate(f)
		return s, err
	}
	c, err := net.FilePacketConn(f)
	if err != nil {
		return s, err
	}
	s.udp, _ = c.(*net.UDPConn)
	s.relay = newRelay()
	return s, nil
}

// Close gives the ports back.
func (p *Ports) Close() error {
	var err error
	for i, s := range p.sockets {
		if s.tcp != 0 {
			err = errors.Join(err, unix.Close(s.tcp))
			p.sockets[i].tcp = 0
		}
		if s.udp != nil {
			err = errors.Join(err, s.udp.Close())
		}
	}
	return err
}

// Target is the container that ports lead to.
type Target struct {
	NS   *os.File
	IPv4 netip.Addr // its addresses; one may be invalid
	IPv6 netip.Addr
	// Gateway4 and Gateway6 are what a service sees as its client when the true one has a loopback address or another family's.
	Gateway4, Gateway6 netip.Addr
	// Mark is the mark of packets for which the namespace has been prepared (nft.Inside) so that the service sees the client's
	// address; 0: it has not, and the service sees an address of the container's.
	Mark int
}

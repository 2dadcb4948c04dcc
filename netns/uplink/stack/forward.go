package stack

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"

	"codeberg.org/hoy/hoy/netns/dns"
)

const (
	dialPatience = 30 * time.Second
)

var errNoHost = errors.New("the host has no address that a container could reach")

// destination is where a packet to an address of the container's world goes: to the host for its gateway, to the host's name
// server for the resolver's address, else to itself.
func (r *router) destination(to netip.AddrPort) (netip.AddrPort, error) {
	o := r.options
	switch to.Addr() {
	case o.DNS4, o.DNS6:
		return nameServer(to)
	case o.Gateway4, o.Gateway6:
		a, err := hostAddress(to.Addr())
		return netip.AddrPortFrom(a, to.Port()), err
	}
	return to, nil
}

// nameServer is the host's first, asked anew each time: a laptop changes its network.
func nameServer(to netip.AddrPort) (netip.AddrPort, error) {
	if to.Port() != dns.Port {
		return to, errors.New("only port 53 is served")
	}
	conf, err := os.ReadFile("/etc/resolv.conf")
	if err != nil {
		return to, err
	}
	servers := dns.ParseServers(string(conf))
	if len(servers) == 0 {
		return to, errors.New("the host has no name server")
	}
	return servers[0], nil
}

// hostAddress is the address that the host shows to others, of the gateway's family. It is never a loopback address: what listens
// there has been kept from others on purpose.
func hostAddress(gateway netip.Addr) (netip.Addr, error) {
	probe := "192.0.2.1:9" // nothing is sent: the kernel chooses the source by its routes
	if gateway.Is6() {
		probe = "[2001:db8::1]:9"
	}
	c, err := net.Dial("udp", probe)
	if err != nil {
		return netip.Addr{}, errNoHost
	}
	defer c.Close()
	a := c.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap()
	if a.IsLoopback() {
		return a, errNoHost
	}
	return a, nil
}

func endpointAddr(a tcpip.Address, port uint16) netip.AddrPort {
	ip, _ := netip.AddrFromSlice(a.AsSlice())
	return netip.AddrPortFrom(ip, port)
}

// tcp makes a connection of the user's first: what cannot be reached is refused, as it would be without hoy between.
func (r *router) tcp(request *tcp.ForwarderRequest) {
	id := request.ID()
	to, err := r.destination(endpointAddr(id.LocalAddress, id.LocalPort))
	var outer net.Conn
	if err == nil {
		d := net.Dialer{Timeout: dialPatience, KeepAlive: -1}
		d.SetMultipathTCP(false)
		outer, err = d.DialContext(context.Background(), "tcp", to.String())
	}
	if err != nil {
		request.Complete(true)
		return
	}
	p := &pair{router: r}
	fd, err := take(outer.(*net.TCPConn))
	if err != nil {
		request.Complete(true)
		return
	}
	endpoint, failed := request.CreateEndpoint(&p.queue)
	if failed != nil {
		request.Complete(true)
		reset(fd)
		return
	}
	request.Complete(false)
	p.inner, p.outer = endpoint, fd
	r.open.Add(1)
	r.relay.add(p)
}

// take gives the socket of a connection, of which Go's own poller is to know nothing any more.
func take(c interface {
	net.Conn
	syscall.Conn
}) (fd int, err error) {
	defer c.Close()
	raw, err := c.SyscallConn()
	if err != nil {
		return -1, err
	}
	return fd, errors.Join(raw.Control(func(own uintptr) { fd, err = unix.FcntlInt(own, unix.F_DUPFD_CLOEXEC, 0) }), err)
}

// udp gives each pair of ends a socket of the user's, for as long as either speaks.
func (r *router) udp(request *udp.ForwarderRequest) bool {
	id := request.ID()
	to, err := r.destination(endpointAddr(id.LocalAddress, id.LocalPort))
	if err != nil || to.Addr().IsMulticast() || to.Addr() == netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
		return true // dropped, as on a network where nobody listens
	}
	p := &pair{router: r, idle: udpIdle}
	if to.Port() == dns.Port {
		p.idle = dnsIdle
	}
	endpoint, failed := request.CreateEndpoint(&p.queue)
	if failed != nil {
		return false
	}
	outer, err := net.Dial("udp", to.String())
	if err == nil {
		p.outer, err = take(outer.(*net.UDPConn))
	}
	if err != nil {
		endpoint.Close()
		return false // the container's kernel is told that the port is unreachable
	}
	p.inner = endpoint
	p.wake()
	r.open.Add(1)
	r.relay.add(p)
	return true
}

package stack

import (
	"net"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/link/nested"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

const (
	pingPatience = 10 * time.Second
	pingMax      = 64 // under way at once: more are dropped
)

// pinger passes echo requests on by ping sockets (icmp(7)). The stack below, which is everybody, would answer all of them itself.
type pinger struct {
	nested.Endpoint
	router *router
	slots  chan struct{}
}

func newPinger(link stack.LinkEndpoint, r *router) *pinger {
	p := &pinger{router: r, slots: make(chan struct{}, pingMax)}
	p.Init(link, p)
	return p
}

// DeliverNetworkPacket takes out of what comes from the link the echo requests that are not for the gateway.
func (p *pinger) DeliverNetworkPacket(protocol tcpip.NetworkProtocolNumber, packet *stack.PacketBuffer) {
	if !isICMP(protocol, packet) {
		p.Endpoint.DeliverNetworkPacket(protocol, packet)
		return
	}
	e, ok := parseEcho(protocol, packet.LinkHeader().Slice(), packet.Data().AsRange().ToSlice())
	o := p.router.options
	if !ok || e.to == o.Gateway4 || e.to == o.Gateway6 || e.to == o.DNS4 || e.to == o.DNS6 {
		p.Endpoint.DeliverNetworkPacket(protocol, packet)
		return
	}
	select {
	case p.slots <- struct{}{}:
		p.router.pings.Add(1)
		go func() {
			defer func() { <-p.slots }()
			p.ask(protocol, e)
		}()
	default:
	}
}

// take delivers a frame that somebody else has read from the link.
func (p *pinger) take(frame []byte) {
	if len(frame) < header.EthernetMinimumSize {
		return
	}
	packet := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(frame)})
	defer packet.DecRef()
	if h, ok := packet.LinkHeader().Consume(header.EthernetMinimumSize); ok {
		p.DeliverNetworkPacket(header.Ethernet(h).Type(), packet)
	}
}

// isICMP looks at the one byte of the header that says so: every packet comes by here.
func isICMP(protocol tcpip.NetworkProtocolNumber, packet *stack.PacketBuffer) bool {
	switch protocol {
	case header.IPv4ProtocolNumber:
		h, ok := packet.Data().PullUp(header.IPv4MinimumSize)
		return ok && header.IPv4(h).Protocol() == uint8(header.ICMPv4ProtocolNumber)
	case header.IPv6ProtocolNumber:
		h, ok := packet.Data().PullUp(header.IPv6MinimumSize)
		return ok && header.IPv6(h).NextHeader() == uint8(header.ICMPv6ProtocolNumber)
	}
	return false
}

// echo is an echo request.
type echo struct {
	frame   []byte     // Ethernet and IP headers
	message []byte     // ICMP: type, code, checksum, number, sequence, data
	to      netip.Addr // who is asked
}

// parseEcho recognises an echo request without options and fragments. It keeps the packet, which is the caller's copy.
func parseEcho(protocol tcpip.NetworkProtocolNumber, link, ip []byte) (echo, bool) {
	if len(link) < header.EthernetMinimumSize {
		return echo{}, false
	}
	size := header.IPv4MinimumSize
	if protocol == header.IPv6ProtocolNumber {
		size = header.IPv6MinimumSize
	}
	if len(ip) < size+header.ICMPv4MinimumSize {
		return echo{}, false
	}
	e := echo{frame: append(append([]byte(nil), link[:header.EthernetMinimumSize]...), ip[:size]...), message: ip[size:]}
	if protocol == header.IPv4ProtocolNumber {
		h := header.IPv4(ip)
		e.to, _ = netip.AddrFromSlice(h.DestinationAddressSlice())
		plain := h.HeaderLength() == header.IPv4MinimumSize && !h.More() && h.FragmentOffset() == 0 &&
			int(h.TotalLength()) <= len(ip) && int(h.TotalLength()) >= size+header.ICMPv4MinimumSize
		if !plain || h.TransportProtocol() != header.ICMPv4ProtocolNumber {
			return echo{}, false
		}
		e.message = ip[size:h.TotalLength()]
		return e, e.message[0] == byte(header.ICMPv4Echo)
	}
	h := header.IPv6(ip)
	e.to, _ = netip.AddrFromSlice(h.DestinationAddressSlice())
	if h.NextHeader() != uint8(header.ICMPv6ProtocolNumber) || int(h.PayloadLength()) > len(e.message) || h.PayloadLength() < header.ICMPv4MinimumSize {
		return echo{}, false
	}
	e.message = e.message[:h.PayloadLength()]
	return e, e.message[0] == byte(header.ICMPv6EchoRequest)
}

// ask sends the request from a ping socket of the user's and brings the reply back.
func (p *pinger) ask(protocol tcpip.NetworkProtocolNumber, e echo) {
	conn, err := pingSocket(e.to)
	if err != nil {
		return // sysctl net.ipv4.ping_group_range does not let the user
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(pingPatience))
	if _, err := conn.Write(e.message); err != nil {
		return
	}
	reply := make([]byte, len(e.message)+header.IPv6MinimumSize)
	n, err := conn.Read(reply)
	if err != nil || n < header.ICMPv4MinimumSize {
		return
	}
	reply = reply[:n]
	copy(reply[4:6], e.message[4:6]) // the kernel has put its own number in
	frame := e.answer(reply)
	p.router.stack.WriteRawPacket(nic, protocol, buffer.MakeWithData(frame))
}

func pingSocket(to netip.Addr) (net.Conn, error) {
	family, protocol := unix.AF_INET, unix.IPPROTO_ICMP
	var address unix.Sockaddr = &unix.SockaddrInet4{Addr: [4]byte(to.AsSlice())}
	if to.Is6() {
		family, protocol = unix.AF_INET6, unix.IPPROTO_ICMPV6
		address = &unix.SockaddrInet6{Addr: to.As16()}
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, protocol)
	if err != nil {
		return nil, err
	}
	if err := unix.Connect(fd, address); err != nil {
		unix.Close(fd)
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "ping")
	defer f.Close()
	return net.FileConn(f)
}

// answer is the frame that carries the reply back: the request's headers the other way round.
func (e echo) answer(message []byte) []byte {
	frame := append(append([]byte(nil), e.frame...), message...)
	copy(frame[0:6], e.frame[6:12])
	copy(frame[6:12], e.frame[0:6])
	ip := frame[header.EthernetMinimumSize:]
	if e.to.Is4() {
		h := header.IPv4(ip)
		from, to := h.SourceAddress(), h.DestinationAddress()
		h.SetSourceAddress(to)
		h.SetDestinationAddress(from)
		h.SetTotalLength(uint16(len(ip)))
		h.SetTTL(64)
		h.SetChecksum(0)
		h.SetChecksum(^h.CalculateChecksum())
		m := header.ICMPv4(h.Payload())
		m.SetChecksum(0)
		m.SetChecksum(^checksum.Checksum(m, 0))
		return frame
	}
	h := header.IPv6(ip)
	from, to := h.SourceAddress(), h.DestinationAddress()
	h.SetSourceAddress(to)
	h.SetDestinationAddress(from)
	h.SetPayloadLength(uint16(len(message)))
	h.SetHopLimit(64)
	m := header.ICMPv6(h.Payload())
	m.SetChecksum(0)
	m.SetChecksum(header.ICMPv6Checksum(header.ICMPv6ChecksumParams{Header: m, Src: to, Dst: from}))
	return frame
}

package publish

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	udpIdle     = 90 * time.Second // how long a client may be silent before its way back is forgotten; the kernel's own is 30 to 120
	udpSessions = 8192             // of one port: more clients replace nobody, they wait
	maxDatagram = 65535
	controlSize = 64
)

// flow is one client of a UDP port: where it sends from, and to which of the host's addresses.
type flow struct {
	client netip.AddrPort
	to     netip.Addr
}

// relay is one UDP port and its clients.
type relay struct {
	server *Server
	socket socket

	mu    sync.Mutex
	flows map[flow]net.Conn
}

func newRelay() *relay { return &relay{flows: map[flow]net.Conn{}} }

// serveUDP says whether anything came.
func (s *Server) serveUDP(ctx context.Context, socket socket) (came bool) {
	r := socket.relay
	r.server, r.socket = s, socket
	buf, control := make([]byte, maxDatagram), make([]byte, controlSize)
	for {
		n, size, _, client, err := socket.udp.ReadMsgUDPAddrPort(buf, control)
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, net.ErrClosed) || errors.Is(err, os.ErrDeadlineExceeded) {
				return came
			}
			continue // the error of an earlier reply
		}
		came = true
		to, reply := destination(control[:size])
		conn, err := r.flow(ctx, flow{client, to}, reply)
		if err != nil {
			continue // a datagram may be lost
		}
		conn.SetReadDeadline(time.Now().Add(udpIdle))
		conn.Write(buf[:n])
	}
}

// flow gives the connection of a client to the container, a new one when it has none.
func (r *relay) flow(ctx context.Context, f flow, control []byte) (net.Conn, error) {
	r.mu.Lock()
	conn, n := r.flows[f], len(r.flows)
	r.mu.Unlock()
	if conn != nil {
		return conn, nil
	}
	if n >= udpSessions {
		return nil, errors.New("too many clients")
	}
	conn, err := r.server.dialUDP(ctx, unmap(f.client), r.socket.port.Port)
	if err != nil {
		return nil, err
	}
	if !r.server.hold(conn) {
		return nil, net.ErrClosed
	}
	conn.SetReadDeadline(time.Now().Add(udpIdle))
	r.mu.Lock()
	r.flows[f] = conn
	r.mu.Unlock()
	r.server.tasks.Go(func() { r.answer(f, conn, control) })
	return conn, nil
}

// answer passes the container's datagrams back to the client until both have been silent for a while.
func (r *relay) answer(f flow, conn net.Conn, control []byte) {
	defer func() {
		r.mu.Lock()
		delete(r.flows, f)
		r.mu.Unlock()
		r.server.release(conn)
	}()
	buf := make([]byte, maxDatagram)
	for {
		n, err := conn.Read(buf)
		if errors.Is(err, unix.ECONNREFUSED) {
			continue // nobody listens yet
		}
		if err != nil {
			return
		}
		conn.SetReadDeadline(time.Now().Add(udpIdle))
		if _, _, err := r.socket.udp.WriteMsgUDPAddrPort(buf[:n], control, f.client); err != nil {
			return
		}
	}
}

// destination reads from a datagram's control messages the host's address that it was sent to, and gives the control message
// that has the reply sent from there (ip(7), ipv6(7)): the same with no link, for the way back is the routing table's to choose.
func destination(control []byte) (netip.Addr, []byte) {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return netip.Addr{}, nil
	}
	for _, m := range messages {
		switch {
		case m.Header.Level == unix.IPPROTO_IP && m.Header.Type == unix.IP_PKTINFO && len(m.Data) >= 12:
			addr := netip.AddrFrom4([4]byte(m.Data[4:8])) // ipi_spec_dst
			return addr, unix.PktInfo4(&unix.Inet4Pktinfo{Spec_dst: addr.As4()})
		case m.Header.Level == unix.IPPROTO_IPV6 && m.Header.Type == unix.IPV6_PKTINFO && len(m.Data) >= 20:
			addr := netip.AddrFrom16([16]byte(m.Data[:16]))
			info := &unix.Inet6Pktinfo{Addr: addr.As16()}
			if addr.IsLinkLocalUnicast() {
				info.Ifindex = binary.NativeEndian.Uint32(m.Data[16:])
			}
			return addr, unix.PktInfo6(info)
		}
	}
	return netip.Addr{}, nil
}

package dns

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"codeberg.org/hoy/hoy/netns/record"
)

const (
	maxMessage = 65535
	maxQuery   = 4096             // of a UDP query: names are short, and what comes with them too
	maxUDP     = 512              // of a UDP reply of hoy's own, which every client takes (RFC 1035, 4.2.1)
	idle       = 10 * time.Second // how long a TCP client may be silent
	inFlight   = 256              // queries being passed on at once: more wait, and are then dropped by the kernel
)

// Options say whom a service serves, and whom it asks.
type Options struct {
	Dir       string // <root>/networks
	Container string // id
	Sockets   *Sockets
	// Servers are asked what is not a container's name, from inside of NS. None: those of the host's /etc/resolv.conf, from
	// the namespace that the caller is in. A container all of whose networks are internal gets no answer from either.
	Servers []netip.AddrPort
	NS      *os.File
	// ResolvConf is read instead of /etc/resolv.conf when it is set.
	ResolvConf string
}

// Server is one container's name service. It is for Round, and for Close in the end.
type Server struct {
	zone    zone
	forward forwarder
	sockets *Sockets
	slots   chan struct{}
	tasks   sync.WaitGroup

	mu    sync.Mutex
	conns map[net.Conn]bool // of TCP clients; nil: closed
}

// NewServer makes the service.
func NewServer(o Options) *Server {
	return &Server{
		zone: zone{dir: record.Dir(o.Dir), container: o.Container}, forward: newForwarder(o),
		sockets: o.Sockets, slots: make(chan struct{}, inFlight), conns: map[net.Conn]bool{},
	}
}

// Round answers until then, or until ctx is done. It says whether there was anything to do, or still is. What is asked between two rounds waits
// for the next one.
func (s *Server) Round(ctx context.Context, until time.Time) (busy bool) {
	s.sockets.until(until)
	stop := context.AfterFunc(ctx, func() { s.sockets.until(time.Unix(1, 0)) })
	defer stop()
	tcp := make(chan bool)
	go func() { tcp <- s.serveTCP(ctx) }()
	udp := s.serveUDP(ctx)
	busy = <-tcp || udp
	s.mu.Lock()
	defer s.mu.Unlock()
	return busy || len(s.conns) > 0 || len(s.slots) > 0
}

// Close closes the sockets and waits for what is under way.
func (s *Server) Close() {
	s.sockets.Close()
	s.mu.Lock()
	for c := range s.conns {
		c.Close()
	}
	s.conns = nil
	s.mu.Unlock()
	s.tasks.Wait()
}

// over says whether an error of a socket ends the round.
func over(ctx context.Context, err error) bool {
	return ctx.Err() != nil || errors.Is(err, net.ErrClosed) || errors.Is(err, os.ErrDeadlineExceeded)
}

// serveUDP says whether anybody asked.
func (s *Server) serveUDP(ctx context.Context) (asked bool) {
	buf := make([]byte, maxQuery)
	for {
		n, from, err := s.sockets.udp.ReadFromUDPAddrPort(buf)
		if err != nil {
			if over(ctx, err) {
				return asked
			}
			continue // the error of an earlier reply
		}
		asked = true
		if reply, known := s.own(buf[:n], maxUDP); known {
			s.sockets.udp.WriteToUDPAddrPort(reply, from)
			continue
		}
		msg := append([]byte(nil), buf[:n]...)
		s.slots <- struct{}{}
		s.tasks.Go(func() {
			defer func() { <-s.slots }()
			s.sockets.udp.WriteToUDPAddrPort(s.forward.ask(ctx, "udp", msg), from)
		})
	}
}

// own gives hoy's own reply to a query: from the zone, or a refusal; false when the query is to be passed on.
func (s *Server) own(msg []byte, limit int) ([]byte, bool) {
	if len(msg) < headerSize || binary.BigEndian.Uint16(msg[2:])&flagResponse != 0 {
		return nil, true // no query: a reply to it could go round for ever
	}
	if binary.BigEndian.Uint16(msg[2:])>>11&15 != 0 {
		return failure(msg, codeNotKnown), true
	}
	q, err := parseQuery(msg)
	if err != nil {
		return failure(msg, codeFormat), true
	}
	v := s.zone.now()
	if a, known := v.lookup(q); known {
		return appendReply(nil, msg, q, a, limit), true
	}
	if v.inner {
		return failure(msg, codeNoName), true
	}
	return nil, false
}

func (s *Server) serveTCP(ctx context.Context) (asked bool) {
	for {
		conn, err := s.sockets.tcp.Accept()
		if err != nil {
			if over(ctx, err) {
				return asked
			}
			time.Sleep(idle / 1000) // out of descriptors: accept(2) would fail again at once
			continue
		}
		asked = true
		if !s.admit(conn) {
			conn.Close()
			continue
		}
		s.tasks.Go(func() {
			defer s.dismiss(conn)
			s.converse(ctx, conn)
		})
	}
}

func (s *Server) admit(c net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conns == nil || len(s.conns) >= inFlight {
		return false
	}
	s.conns[c] = true
	return true
}

func (s *Server) dismiss(c net.Conn) {
	c.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
}

// converse answers the queries of one TCP client in turn.
func (s *Server) converse(ctx context.Context, conn net.Conn) {
	for {
		conn.SetDeadline(time.Now().Add(idle))
		msg, err := readMessage(conn)
		if err != nil {
			return
		}
		reply, known := s.own(msg, maxMessage)
		if !known {
			conn.SetDeadline(time.Time{})
			reply = s.forward.ask(ctx, "tcp", msg)
			conn.SetDeadline(time.Now().Add(idle))
		}
		if reply == nil || writeMessage(conn, reply) != nil {
			return
		}
	}
}

// readMessage reads a message with its length before it (RFC 1035, 4.2.2).
func readMessage(r io.Reader) ([]byte, error) {
	var size [2]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return nil, err
	}
	msg := make([]byte, binary.BigEndian.Uint16(size[:]))
	_, err := io.ReadFull(r, msg)
	return msg, err
}

func writeMessage(w io.Writer, msg []byte) error {
	_, err := w.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(msg))), msg...))
	return err
}

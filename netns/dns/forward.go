package dns

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"

	"codeberg.org/hoy/hoy/netns/space"
)

const (
	patience = 2 * time.Second // for one server's reply
	rounds   = 2               // how often each server is asked
)

// forwarder asks other servers. Queries and replies pass through byte for byte, so that EDNS, DNSSEC and types that hoy has never
// heard of work as they do for the host.
type forwarder struct {
	fixed []netip.AddrPort
	ns    *os.File // where fixed ones are asked from
	host  *resolvConf
}

func newForwarder(o Options) forwarder {
	if len(o.Servers) > 0 {
		return forwarder{fixed: o.Servers, ns: o.NS}
	}
	path := o.ResolvConf
	if path == "" {
		path = "/etc/resolv.conf"
	}
	return forwarder{host: &resolvConf{path: path}}
}

// ask gives the first reply of a server, or a failure of hoy's own when none replies.
func (f forwarder) ask(ctx context.Context, network string, msg []byte) []byte {
	servers := f.fixed
	if f.host != nil {
		servers = f.host.servers()
	}
	for range rounds {
		for _, server := range servers {
			if reply, err := f.exchange(ctx, network, server, msg); err == nil {
				return reply
			}
			if ctx.Err() != nil {
				return nil
			}
		}
	}
	return failure(msg, codeServer)
}

// exchange asks one server. Each query has a socket, and so an unforeseeable port, of its own (RFC 5452).
func (f forwarder) exchange(ctx context.Context, network string, server netip.AddrPort, msg []byte) ([]byte, error) {
	var conn net.Conn
	err := space.Do(f.ns, func() (err error) {
		d := net.Dialer{Timeout: patience}
		conn, err = d.DialContext(ctx, network, server.String())
		return err
	})
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Now()) })
	defer stop()
	conn.SetDeadline(time.Now().Add(patience))
	if network == "tcp" {
		if err := writeMessage(conn, msg); err != nil {
			return nil, err
		}
		return readMessage(conn)
	}
	return exchangeUDP(conn, msg)
}

// exchangeUDP waits for the reply that has the query's number and question.
func exchangeUDP(conn net.Conn, msg []byte) ([]byte, error) {
	if _, err := conn.Write(msg); err != nil {
		return nil, err
	}
	q, err := parseQuery(msg)
	if err != nil {
		return nil, err
	}
	buf := make([]byte, maxMessage)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return nil, err
		}
		if isReply(buf[:n], msg, q) {
			return bytes.Clone(buf[:n]), nil
		}
	}
}

func isReply(reply, msg []byte, q question) bool {
	if len(reply) < headerSize || reply[0] != msg[0] || reply[1] != msg[1] || reply[2]&0x80 == 0 {
		return false
	}
	if reply[4] == 0 && reply[5] == 0 {
		return true // a failure may leave the question out
	}
	return len(reply) >= q.end && bytes.EqualFold(reply[headerSize:q.end], msg[headerSize:q.end])
}

// resolvConf gives the host's servers, read again when the file has changed: a laptop changes its network.
type resolvConf struct {
	path string

	mu   sync.Mutex
	seen time.Time
	list []netip.AddrPort
}

func (r *resolvConf) servers() []netip.AddrPort {
	r.mu.Lock()
	defer r.mu.Unlock()
	info, err := os.Stat(r.path)
	if err == nil && info.ModTime().Equal(r.seen) {
		return r.list
	}
	data, err := os.ReadFile(r.path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return r.list
	}
	if r.list = ParseServers(string(data)); r.list == nil { // resolv.conf(5): without one, the host itself
		r.list = []netip.AddrPort{netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), Port)}
	}
	if info != nil {
		r.seen = info.ModTime()
	}
	return r.list
}

// ParseServers gives the name servers of a resolv.conf(5).
func ParseServers(conf string) []netip.AddrPort {
	var out []netip.AddrPort
	for line := range strings.Lines(conf) {
		fields := strings.Fields(line)
		if len(fields) < 2 || fields[0] != "nameserver" {
			continue
		}
		if a, err := netip.ParseAddr(fields[1]); err == nil {
			out = append(out, netip.AddrPortFrom(a, Port))
		}
	}
	return out
}

package dns

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"codeberg.org/hoy/hoy/netns/record"
	"codeberg.org/hoy/hoy/netns/space"
)

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

const (
	webID = "aaaaaaaaaaaaaaaaaaaa"
	dbID  = "bbbbbbbbbbbbbbbbbbbb"
)

func networks() []*record.Network {
	web := &record.Endpoint{Container: webID, Name: "Web", Aliases: []string{"www"}, IPv4: addr("10.1.0.2"), IPv6: addr("fd00::2"), Links: map[string]string{"store": dbID}}
	db := &record.Endpoint{Container: dbID, Name: "db", IPv4: addr("10.1.0.3")}
	far := &record.Endpoint{Container: "cccc", Name: "far", IPv4: addr("10.2.0.2")}
	return []*record.Network{
		{Name: "one", Endpoints: map[string]*record.Endpoint{webID: web, dbID: db}},
		{Name: "two", Endpoints: map[string]*record.Endpoint{"cccc": far}},
		{Name: record.Default, Endpoints: map[string]*record.Endpoint{webID: {Container: webID, IPv4: addr("10.9.0.2")}, "dddd": {Container: "dddd", Name: "unseen", IPv4: addr("10.9.0.3")}}},
	}
}

func write(t *testing.T, dir string, all []*record.Network) {
	t.Helper()
	for _, n := range all {
		if err := record.Dir(dir).Save(n); err != nil {
			t.Fatal(err)
		}
		if err := record.Dir(dir).SaveEndpoints(n); err != nil {
			t.Fatal(err)
		}
	}
}

// upstream is another name server: it answers every query with its own bytes and three more, over UDP with the truncation
// bit for names that begin with "big".
func upstream(t *testing.T) netip.AddrPort {
	t.Helper()
	udp, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := udp.LocalAddr().(*net.UDPAddr).AddrPort()
	tcp, err := net.Listen("tcp4", at.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { udp.Close(); tcp.Close() })
	go func() {
		buf := make([]byte, 4096)
		for {
			n, from, err := udp.ReadFrom(buf)
			if err != nil {
				return
			}
			reply := reply(buf[:n])
			if strings.HasPrefix(string(reply[headerSize+1:]), "big") {
				reply[2] |= flagTruncated >> 8
			}
			udp.WriteTo(reply, from)
		}
	}()
	go func() {
		for {
			c, err := tcp.Accept()
			if err != nil {
				return
			}
			if msg, err := readMessage(c); err == nil {
				writeMessage(c, reply(msg))
			}
			c.Close()
		}
	}()
	return at
}

func reply(msg []byte) []byte {
	q, _ := parseQuery(msg)
	return appendReply(nil, msg, q, answer{addrs: []netip.Addr{addr("192.0.2.99")}}, maxMessage)
}

// serveIn runs a service for web in a namespace of its own, whose resolver is upstream.
func serveIn(t *testing.T, dir string, servers ...netip.AddrPort) (*os.File, *Sockets) {
	t.Helper()
	ns, err := space.New()
	if err != nil {
		t.Skipf("needs CAP_SYS_ADMIN in its user namespace: %v", err)
	}
	sockets, err := Listen(ns, Ports{Port, Port})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		s := NewServer(Options{Dir: dir, Container: webID, Sockets: sockets, Servers: servers})
		for ctx.Err() == nil { // many rounds: what comes between two is not lost
			s.Round(ctx, time.Now().Add(20*time.Millisecond))
		}
		s.Close()
	}()
	t.Cleanup(func() {
		cancel()
		<-done
		ns.Close()
	})
	return ns, sockets
}

// ask sends one query and gives the addresses or the name of the reply, its code and whether it is cut.
func ask(t *testing.T, ns *os.File, network, name string, kind uint16) string {
	t.Helper()
	var conn net.Conn
	err := space.Do(ns, func() (err error) {
		conn, err = net.Dial(network, "127.0.0.11:53")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	msg := query(name, kind)
	buf := make([]byte, 4096)
	if network == "tcp" {
		writeMessage(conn, msg)
		buf, err = readMessage(conn)
	} else {
		conn.Write(msg)
		var n int
		n, err = conn.Read(buf)
		buf = buf[:n]
	}
	if err != nil {
		return err.Error()
	}
	return describe(buf)
}

func query(name string, kind uint16) []byte {
	msg := []byte{0x12, 0x34, flagRecursion >> 8, 0, 0, 1, 0, 0, 0, 0, 0, 0}
	msg = append(msg, encodeName(name)...)
	msg = binary.BigEndian.AppendUint16(msg, kind)
	return binary.BigEndian.AppendUint16(msg, classIN)
}

func describe(msg []byte) string {
	out := fmt.Sprint(msg[3] & 15)
	if msg[2]&(flagTruncated>>8) != 0 {
		out += " cut"
	}
	_, at, _ := parseName(msg, headerSize)
	at += 4
	for range binary.BigEndian.Uint16(msg[6:]) {
		size := int(binary.BigEndian.Uint16(msg[at+10:]))
		data := msg[at+12 : at+12+size]
		if a, ok := netip.AddrFromSlice(data); ok {
			out += " " + a.String()
		} else {
			name, _, _ := parseName(data, 0)
			out += " " + name
		}
		at += 12 + size
	}
	return out
}

func TestServe(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, networks())
	ns, _ := serveIn(t, dir, upstream(t))
	for _, c := range []struct {
		network, name string
		kind          uint16
		want          string
	}{
		{"udp", "db", typeA, "0 10.1.0.3"},
		{"tcp", "db", typeA, "0 10.1.0.3"},
		{"udp", "DB", typeA, "0 10.1.0.3"},
		{"udp", "web", typeA, "0 10.1.0.2"},
		{"udp", "web", typeAAAA, "0 fd00::2"},
		{"udp", "db", typeAAAA, "0"},
		{"udp", "www", typeA, "0 10.1.0.2"},
		{"udp", "db.one", typeA, "0 10.1.0.3"},
		{"udp", dbID[:12], typeA, "0 10.1.0.3"},
		{"udp", dbID, typeA, "0 10.1.0.3"},
		{"udp", "store", typeA, "0 10.1.0.3"},
		{"udp", "3.0.1.10.in-addr.arpa", typePTR, "0 db.one"},
		{"udp", "2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa", typePTR, "0 Web.one"},
		{"udp", "far", typeA, "0 192.0.2.99"},    // on another network: asked of the upstream
		{"udp", "unseen", typeA, "0 192.0.2.99"}, // the default network has no names
		{"udp", "example.org", 65, "0 192.0.2.99"},
		{"tcp", "example.org", typeA, "0 192.0.2.99"},
		{"udp", "big.example.org", typeA, "0 cut 192.0.2.99"},
		{"tcp", "big.example.org", typeA, "0 192.0.2.99"},
	} {
		if got := ask(t, ns, c.network, c.name, c.kind); got != c.want {
			t.Errorf("%s %s %d: got %q, want %q", c.network, c.name, c.kind, got, c.want)
		}
	}
}

func TestChanges(t *testing.T) {
	dir := t.TempDir()
	all := networks()
	write(t, dir, all)
	ns, _ := serveIn(t, dir, upstream(t))
	for i := range 20 {
		all[0].Endpoints[dbID].IPv4 = netip.AddrFrom4([4]byte{10, 1, 1, byte(i)})
		write(t, dir, all[:1])
		if got, want := ask(t, ns, "udp", "db", typeA), fmt.Sprintf("0 10.1.1.%d", i); got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
	}
}

func TestInternal(t *testing.T) {
	dir := t.TempDir()
	all := networks()[:1]
	all[0].Internal = true
	write(t, dir, all)
	ns, _ := serveIn(t, dir, upstream(t))
	if got := ask(t, ns, "udp", "example.org", typeA); got != "3" {
		t.Errorf("an internal network asks outside: %q", got)
	}
	if got := ask(t, ns, "tcp", "db", typeA); got != "0 10.1.0.3" {
		t.Errorf("got %q", got)
	}
}

func TestNoUpstream(t *testing.T) {
	ns, _ := serveIn(t, t.TempDir(), netip.MustParseAddrPort("127.0.0.1:1"))
	if got := ask(t, ns, "udp", "example.org", typeA); got != "2" {
		t.Errorf("got %q", got)
	}
}

func TestInherited(t *testing.T) {
	ns, err := space.New()
	if err != nil {
		t.Skipf("needs CAP_SYS_ADMIN in its user namespace: %v", err)
	}
	defer ns.Close()
	s, err := Listen(ns, Ports{})
	if err != nil {
		t.Fatal(err)
	}
	udp, tcp, err := s.Files()
	if err != nil {
		t.Fatal(err)
	}
	want := s.Ports()
	s.Close()
	again, err := FromFiles(udp, tcp)
	if err != nil || again.Ports() != want || want.UDP == 0 {
		t.Fatalf("got %v, %v", again, err)
	}
	again.Close()
	if s, err = Listen(ns, want); err != nil { // as a second monitor does
		t.Fatal(err)
	}
	s.Close()
}

func TestDig(t *testing.T) {
	if _, err := exec.LookPath("dig"); err != nil {
		t.Skip("needs dig")
	}
	dir := t.TempDir()
	write(t, dir, networks())
	ns, _ := serveIn(t, dir, upstream(t))
	for args, want := range map[string]string{
		"+short db": "10.1.0.3", "+short +tcp web": "10.1.0.2", "+short -x 10.1.0.3": "db.one.", "+short +edns=0 web AAAA": "fd00::2", "+short x.org": "192.0.2.99",
	} {
		var out []byte
		err := space.Do(ns, func() (err error) {
			out, err = exec.Command("dig", append([]string{"@127.0.0.11", "+tries=1"}, strings.Fields(args)...)...).CombinedOutput()
			return err
		})
		if got := strings.TrimSpace(string(out)); err != nil || got != want {
			t.Errorf("dig %s: %q, %v", args, got, err)
		}
	}
}

func TestParseServers(t *testing.T) {
	got := ParseServers("# x\nnameserver 192.0.2.1\nsearch a b\nnameserver  fe80::1%eth0\nnameserver bad\n nameserver 192.0.2.2 # y\n")
	if fmt.Sprint(got) != "[192.0.2.1:53 [fe80::1%eth0]:53 192.0.2.2:53]" {
		t.Error(got)
	}
}

func TestHostServers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "resolv.conf")
	r := resolvConf{path: path}
	if got := fmt.Sprint(r.servers()); got != "[127.0.0.1:53]" {
		t.Error(got)
	}
	if err := os.WriteFile(path, []byte("nameserver 192.0.2.1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(r.servers()); got != "[192.0.2.1:53]" {
		t.Error(got)
	}
}

func FuzzQuery(f *testing.F) {
	f.Add(query("db.one", typeA))
	f.Add([]byte{0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 63})
	dir := record.Dir(f.TempDir())
	f.Fuzz(func(t *testing.T, msg []byte) {
		s := &Server{zone: zone{dir: dir}}
		if reply, own := s.own(msg, maxUDP); own && len(reply) > 0 && len(reply) < headerSize {
			t.Errorf("a reply of %d bytes", len(reply))
		}
		parseReverse(string(msg))
	})
}

func BenchmarkServe(b *testing.B) {
	dir := b.TempDir()
	for _, n := range networks() {
		record.Dir(dir).Save(n)
		record.Dir(dir).SaveEndpoints(n)
	}
	sockets, err := Listen(nil, Ports{})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go NewServer(Options{Dir: dir, Container: webID, Sockets: sockets}).Round(ctx, time.Now().Add(time.Hour))
	conn, err := net.Dial("udp", netip.AddrPortFrom(Address, sockets.Ports().UDP).String())
	if err != nil {
		b.Fatal(err)
	}
	time.Sleep(2 * settled)
	msg, buf := query("db", typeA), make([]byte, 512)
	for b.Loop() {
		conn.Write(msg)
		if _, err := conn.Read(buf); err == io.EOF {
			b.Fatal(err)
		}
	}
}

package publish

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"

	"codeberg.org/hoy/hoy/netns/record"
)

var local = netip.MustParseAddr("127.0.0.1")

func TestReserveErrors(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	taken := l.Addr().(*net.TCPAddr).AddrPort().Port()
	for name, c := range map[string]struct {
		port record.Port
		want error
		text string
	}{
		"taken":         {record.Port{HostIP: local, HostPort: taken, HostEnd: taken, Port: 80, Protocol: "tcp"}, ErrTaken, l.Addr().String() + "/tcp"},
		"all addresses": {record.Port{HostPort: taken, HostEnd: taken, Port: 80, Protocol: "tcp"}, ErrTaken, "0.0.0.0:"},
		"not ours":      {record.Port{HostIP: netip.MustParseAddr("192.0.2.200"), HostPort: 80, Port: 80, Protocol: "udp"}, nil, "does not have that address"},
		"sctp":          {record.Port{HostPort: 80, Port: 80, Protocol: "sctp"}, ErrSCTP, "80/sctp"},
	} {
		free := record.Port{HostIP: local, Port: 80, Protocol: "udp"}
		_, err := Reserve([]record.Port{free, c.port}, false)
		if err == nil || c.want != nil && !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestReserveRange(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	taken := l.Addr().(*net.TCPAddr).AddrPort().Port()
	p, err := Reserve([]record.Port{{HostIP: local, HostPort: taken, HostEnd: taken + 50, Port: 80, Protocol: "tcp"}, {Port: 53, Protocol: "udp"}, {HostPort: 7, Port: 7, Protocol: "sctp"}}, true)
	if err != nil {
		t.Fatal(err)
	}
	bound := p.Bound()
	if b := bound[0]; b.HostPort <= taken || b.HostEnd != b.HostPort {
		t.Errorf("got %+v, %d is taken", b, taken)
	}
	if bound[1].HostPort == 0 || len(bound) != 3 {
		t.Errorf("got %+v", bound)
	}
	files, err := p.Files()
	if err != nil || len(files) != 2 {
		t.Fatalf("files: %v, %v", files, err)
	}
	p.Close()
	again, err := FromFiles(bound, files)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Reserve(bound[:1], false); !errors.Is(err, ErrTaken) {
		t.Errorf("a port that was passed on is free: %v", err)
	}
	again.Close()
}

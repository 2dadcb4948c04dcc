package netns

import (
	"errors"
	"os"
	"strings"
	"testing"

	"codeberg.org/hoy/hoy/netns/publish"
	"codeberg.org/hoy/hoy/netns/record"
)

// TestRelocate: a subnet that hoy chose gives way to what the host has come to use, one of the user's does not.
func TestRelocate(t *testing.T) {
	l := newLab(t)
	auto := l.create(CreateOptions{Name: "auto"}).Pool4().Subnet
	l.create(CreateOptions{Name: "fixed", Pools: []record.Pool{{Subnet: pfx("10.99.0.0/24")}}})
	for _, s := range []string{"10.99.0.1/24", auto.Addr().Next().String() + "/24"} {
		if out, err := run(l.host, "ip addr add "+s+" dev wan0"); err != nil {
			t.Fatal(err, out)
		}
	}
	_, r := l.container("a", nil, "auto")
	now := r.Joined[0].Network.Pool4()
	if now.Subnet.Overlaps(auto) || !now.Subnet.Contains(r.Joined[0].Endpoint.IPv4) {
		t.Errorf("the network is still in %s", now.Subnet)
	}
	if _, r := l.container("b", nil, "auto"); r.Joined[0].Network.Pool4().Subnet != now.Subnet {
		t.Error("a network moves under its containers")
	}
	l.setAlive("c", true)
	if _, err := l.n.Attach(Attachment{Container: "c", NetNS: namespace(t), Networks: []Want{{Network: "fixed"}}}); !errors.Is(err, ErrOverlap) {
		t.Errorf("a subnet of the host's: %v", err)
	}
}

// TestPortsOfOthers: an sctp port, for which there is no socket, is had once.
func TestPortsOfOthers(t *testing.T) {
	l := newLab(t)
	ports := []record.Port{{HostPort: 7, HostEnd: 7, Port: 7, Protocol: "sctp"}}
	for i, want := range []error{nil, publish.ErrTaken} {
		id := "c" + strings.Repeat(string(rune('0'+i)), 20)
		l.setAlive(id, true)
		_, err := l.n.Attach(Attachment{Container: id, Name: id, NetNS: namespace(t), Networks: []Want{{Network: "bridge"}}, Ports: ports})
		if !errors.Is(err, want) {
			t.Errorf("%d: %v", i, err)
		}
	}
}

// TestHealWithoutFiles: what the kernel has of a root that is gone is removed all the same.
func TestHealWithoutFiles(t *testing.T) {
	l := newLab(t)
	l.container("a", []string{"80:80"}, "bridge")
	if l.n.Stale() {
		t.Error("a container that lives is stale")
	}
	l.setAlive("a"+strings.Repeat("0", 20), false)
	if !l.n.Stale() {
		t.Error("a container that is dead is not stale")
	}
	if err := os.RemoveAll(l.n.o.Root); err != nil {
		t.Fatal(err)
	}
	if err := l.n.Heal(); err != nil {
		t.Fatal(err)
	}
	if out, _ := run(l.host, "ip -o link show type bridge; nft list tables"); strings.Contains(out, "hoy") {
		t.Errorf("left: %s", out)
	}
	if _, err := os.Stat(l.n.o.Root); err == nil {
		t.Error("the root is back")
	}
}

package netns

import (
	"errors"
	"net/netip"
	"testing"

	"codeberg.org/hoy/hoy/netns/record"
)

func pfx(s string) netip.Prefix { return netip.MustParsePrefix(s) }

func TestNewPoolErrors(t *testing.T) {
	for name, p := range map[string]record.Pool{
		"no room":           {Subnet: pfx("10.0.0.0/31")},
		"range outside":     {Subnet: pfx("10.0.0.0/24"), Range: pfx("10.0.1.0/25")},
		"range wider":       {Subnet: pfx("10.0.0.0/24"), Range: pfx("10.0.0.0/16")},
		"gateway outside":   {Subnet: pfx("10.0.0.0/24"), Gateway: netip.MustParseAddr("10.0.1.1")},
		"gateway broadcast": {Subnet: pfx("10.0.0.0/24"), Gateway: netip.MustParseAddr("10.0.0.255")},
		"aux outside":       {Subnet: pfx("10.0.0.0/24"), Reserved: map[string]netip.Addr{"x": netip.MustParseAddr("10.0.1.1")}},
	} {
		if _, err := newPool(p); !errors.Is(err, ErrAddress) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestNewPool(t *testing.T) {
	p, err := newPool(record.Pool{Subnet: pfx("10.1.2.3/24")})
	if err != nil || p.Subnet != pfx("10.1.2.0/24") || p.Gateway != netip.MustParseAddr("10.1.2.1") {
		t.Errorf("got %+v, %v", p, err)
	}
}

func TestFreePool(t *testing.T) {
	used := []netip.Prefix{pfx("0.0.0.0/0"), pfx("10.86.0.0/24"), pfx("10.86.1.7/32")}
	if p, err := freePool(userPools, used); err != nil || p != pfx("10.86.2.0/24") {
		t.Errorf("got %v, %v", p, err)
	}
	if p, err := freePool(userPools, []netip.Prefix{pfx("10.0.0.0/8"), pfx("172.16.0.0/16")}); err != nil || p != pfx("172.17.0.0/16") {
		t.Errorf("got %v, %v", p, err)
	}
	all := []netip.Prefix{pfx("10.0.0.0/8"), pfx("172.16.0.0/12"), pfx("192.168.0.0/16")}
	if _, err := freePool(userPools, all); !errors.Is(err, ErrOverlap) {
		t.Errorf("got %v", err)
	}
}

func TestAllocate(t *testing.T) {
	p, _ := newPool(record.Pool{Subnet: pfx("10.0.0.0/29"), Reserved: map[string]netip.Addr{"x": netip.MustParseAddr("10.0.0.3")}})
	n := &record.Network{Pools: []record.Pool{p}, Endpoints: map[string]*record.Endpoint{}}
	for _, want := range []string{"10.0.0.2", "10.0.0.4", "10.0.0.5", "10.0.0.6"} {
		a, err := allocate(&p, netip.Addr{}, takenOn(n))
		if err != nil || a.String() != want {
			t.Fatalf("got %v, %v, want %s", a, err, want)
		}
		n.Endpoints[want] = &record.Endpoint{Name: "c", IPv4: a}
	}
	if _, err := allocate(&p, netip.Addr{}, takenOn(n)); !errors.Is(err, ErrNoAddress) {
		t.Errorf("full: got %v", err)
	}
	for _, bad := range []string{"10.0.0.0", "10.0.0.7", "10.0.0.1", "10.0.0.3", "10.0.0.4", "10.0.1.1", "::1"} {
		if _, err := allocate(&p, netip.MustParseAddr(bad), takenOn(n)); !errors.Is(err, ErrAddress) {
			t.Errorf("%s: got %v", bad, err)
		}
	}
}

func TestAllocateRange(t *testing.T) {
	p, _ := newPool(record.Pool{Subnet: pfx("fd00::/64"), Range: pfx("fd00::100/120")})
	a, err := allocate(&p, netip.Addr{}, map[netip.Addr]string{})
	if err != nil || a.String() != "fd00::100" {
		t.Errorf("got %v, %v", a, err)
	}
}

func TestMAC(t *testing.T) {
	if got := macOf(netip.MustParseAddr("172.17.0.2")); got != "02:42:ac:11:00:02" {
		t.Error(got)
	}
}

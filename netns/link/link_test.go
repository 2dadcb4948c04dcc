package link

import (
	"errors"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"codeberg.org/hoy/hoy/netns/space"
)

// namespace gives a private network namespace, or skips: it needs root or a user namespace (unshare -Urn).
func namespace(t *testing.T) *os.File {
	t.Helper()
	ns, err := space.New()
	if err != nil {
		t.Skipf("needs CAP_SYS_ADMIN in its user namespace: %v", err)
	}
	t.Cleanup(func() { ns.Close() })
	return ns
}

func open(t *testing.T, ns *os.File) *Links {
	t.Helper()
	l, err := Open(ns)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

func in(t *testing.T, ns *os.File, command ...string) (out string, err error) {
	t.Helper()
	err = space.Do(ns, func() error {
		b, err := exec.Command(command[0], command[1:]...).CombinedOutput()
		out = string(b)
		return err
	})
	return out, err
}

func pfx(s string) netip.Prefix { return netip.MustParsePrefix(s) }

var bridge = Bridge{Name: "hoy0", Addrs: []netip.Prefix{pfx("10.87.0.1/16"), pfx("fd01::1/64")}}

func veth(ns *os.File, host, addr4, addr6 string) Veth {
	return Veth{Host: host, Bridge: "hoy0", Container: ns, Interface: Interface{
		Name: "eth0", MAC: "02:42:0a:57:00:02", Addrs: []netip.Prefix{pfx(addr4), pfx(addr6)},
		Gateways: []netip.Addr{bridge.Addrs[0].Addr(), bridge.Addrs[1].Addr()},
	}}
}

func TestVethErrors(t *testing.T) {
	host, c := namespace(t), namespace(t)
	l := open(t, host)
	if err := l.AddVeth(veth(c, "v1", "10.87.0.2/16", "fd01::2/64")); err == nil || !strings.Contains(err.Error(), "hoy0") {
		t.Errorf("no bridge: %v", err)
	}
	if _, err := l.EnsureBridge(bridge); err != nil {
		t.Fatal(err)
	}
	bad := veth(c, "v1", "10.87.0.2/16", "fd01::2/64")
	bad.Interface.Gateways = []netip.Addr{netip.MustParseAddr("192.0.2.1")}
	if err := l.AddVeth(bad); err == nil {
		t.Error("a gateway out of reach: no error")
	}
	if there, _ := l.Exists("v1"); there {
		t.Error("the link of a failed attempt is left")
	}
	if err := l.AddSub(Sub{Driver: "macvlan", Parent: "none0", Container: c}); err == nil {
		t.Error("no parent: no error")
	}
}

func TestVeth(t *testing.T) {
	host, a, b := namespace(t), namespace(t), namespace(t)
	l := open(t, host)
	for i := range 2 {
		made, err := l.EnsureBridge(bridge)
		if err != nil || made != (i == 0) {
			t.Fatalf("ensure bridge: %v, %v", made, err)
		}
	}
	second := veth(b, "v2", "10.87.0.3/16", "fd01::3/64")
	second.Interface.MAC = "02:42:0a:57:00:03"
	for _, v := range []Veth{veth(a, "v1", "10.87.0.2/16", "fd01::2/64"), second} {
		if err := l.AddVeth(v); err != nil {
			t.Fatal(err)
		}
	}
	for _, to := range []string{"10.87.0.1", "10.87.0.3", "fd01::1", "fd01::3"} {
		if out, err := in(t, a, "busybox", "ping", "-c1", "-W2", to); err != nil {
			t.Errorf("ping %s: %v: %s", to, err, out)
		}
	}
	if members, err := l.Members("hoy0"); err != nil || !slices.Equal(slices.Sorted(slices.Values(members)), []string{"v1", "v2"}) {
		t.Errorf("members: %v, %v", members, err)
	}
	if out, _ := in(t, a, "cat", "/proc/sys/net/ipv6/conf/eth0/accept_ra"); out != "0\n" {
		t.Errorf("accept_ra is %q", out)
	}
	if out, _ := in(t, a, "ip", "link", "show", "eth0"); !strings.Contains(out, "02:42:0a:57:00:02") {
		t.Errorf("hardware address: %s", out)
	}
	routes, err := l.Routes()
	if err != nil || !slices.Contains(routes, pfx("10.87.0.0/16")) || !slices.Contains(routes, pfx("fd01::/64")) {
		t.Errorf("routes: %v, %v", routes, err)
	}
	for _, name := range []string{"v1", "hoy0", "v1"} {
		if err := l.Remove(name); err != nil {
			t.Error(err)
		}
	}
}

func TestIPv6Off(t *testing.T) {
	host, c := namespace(t), namespace(t)
	l := open(t, host)
	if _, err := l.EnsureBridge(Bridge{Name: "hoy0", Addrs: bridge.Addrs[:1]}); err != nil {
		t.Fatal(err)
	}
	v := veth(c, "v1", "10.87.0.2/16", "fd01::2/64")
	v.Interface.Addrs, v.Interface.Gateways = v.Interface.Addrs[:1], v.Interface.Gateways[:1]
	if err := l.AddVeth(v); err != nil {
		t.Fatal(err)
	}
	if out, _ := in(t, c, "ip", "-6", "addr", "show", "eth0"); out != "" {
		t.Errorf("a network without IPv6 has it: %s", out)
	}
}

func TestSub(t *testing.T) {
	host := namespace(t)
	l := open(t, host)
	if _, err := l.EnsureBridge(bridge); err != nil {
		t.Fatal(err)
	}
	for _, driver := range []string{"macvlan", "ipvlan"} {
		c := namespace(t)
		s := Sub{Driver: driver, Parent: "hoy0", Container: c, Interface: Interface{Name: "eth1", Addrs: []netip.Prefix{pfx("10.87.0.9/16")}}}
		err := l.AddSub(s)
		if errors.Is(err, ErrUnsupported) {
			t.Logf("%s: %v", driver, err)
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", driver, err)
			continue
		}
		if out, _ := in(t, c, "ip", "addr", "show", "eth1"); !strings.Contains(out, "10.87.0.9/16") {
			t.Errorf("%s: %s", driver, out)
		}
	}
}

func TestCheckMode(t *testing.T) {
	if CheckMode("macvlan", "l3") == nil || CheckMode("ipvlan", "vepa") == nil || CheckMode("bridge", "") == nil {
		t.Error("a mode of another driver is taken")
	}
	if err := errors.Join(CheckMode("macvlan", ""), CheckMode("ipvlan", "l3s")); err != nil {
		t.Error(err)
	}
}

// TestDevice: nobody waits for the kernel to take the link away, and what a killed process left is in nobody's way.
func TestDevice(t *testing.T) {
	ns := namespace(t)
	i := Interface{Name: "eth0", MAC: "02:42:0a:00:02:64", MTU: 65520, Addrs: []netip.Prefix{pfx("10.0.2.100/24"), pfx("fd00::64/64")},
		Gateways: []netip.Addr{netip.MustParseAddr("10.0.2.2"), netip.MustParseAddr("fd00::2")}}
	var devices []*os.File
	for range 3 { // the first one's file is closed when the second is made, the second's is open still
		f, err := NewDevice(ns, i)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if devices = append(devices, f); len(devices) == 1 {
			f.Close()
		}
	}
	if devices[2].Name() != "tap" {
		t.Skip("/dev/net/tun cannot be opened")
	}
	devices[2].SetReadDeadline(time.Now().Add(10 * time.Second))
	go in(t, ns, "busybox", "ping", "-c1", "-W1", "10.0.2.2")
	buf := make([]byte, 1<<17)
	for { // of what the kernel says by itself nothing is broadcast
		n, err := devices[2].Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		if n > 6 && string(buf[:6]) == "\xff\xff\xff\xff\xff\xff" {
			break
		}
	}
	devices[2].Close()
	if out, err := in(t, ns, "ip", "addr", "show", "eth0"); err != nil || !strings.Contains(out, "10.0.2.100/24") {
		t.Errorf("the link goes with its file, whose closing waits for that: %v: %s", err, out)
	}
}

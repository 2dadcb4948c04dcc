package netns

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"codeberg.org/hoy/hoy/netns/link"
	"codeberg.org/hoy/hoy/netns/record"
	"codeberg.org/hoy/hoy/netns/space"
)

// lab is a host in a namespace of its own, with another machine on a cable: 203.0.113.1 here, 203.0.113.2 there, and 2001:db8::1, ::2.
type lab struct {
	t           *testing.T
	n           *Networks
	host, world *os.File
	mu          sync.Mutex
	alive       map[string]bool
}

func newLab(t *testing.T) *lab {
	t.Helper()
	l := &lab{t: t, host: namespace(t), world: namespace(t), alive: map[string]bool{}}
	l.n = Open(Options{Root: t.TempDir(), Host: l.host, Alive: l.isAlive})
	links, err := link.Open(l.host)
	if err != nil {
		t.Fatal(err)
	}
	defer links.Close()
	// The cable is a bridge here, for package link makes pairs on bridges only.
	prefixes := []netip.Prefix{pfx("203.0.113.1/24"), pfx("2001:db8::1/64")}
	if _, err := links.EnsureBridge(link.Bridge{Name: "wan0", Addrs: prefixes}); err != nil {
		t.Fatal(err)
	}
	cable := link.Veth{Host: "wan1", Bridge: "wan0", Container: l.world, Interface: link.Interface{
		Name: "eth0", Addrs: []netip.Prefix{pfx("203.0.113.2/24"), pfx("2001:db8::2/64")},
	}}
	if err := links.AddVeth(cable); err != nil {
		t.Fatal(err)
	}
	for _, gateway := range []string{"203.0.113.2", "2001:db8::2"} {
		if err := links.AddDefault("wan0", netip.MustParseAddr(gateway)); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

func (l *lab) isAlive(id string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.alive[id]
}

func (l *lab) setAlive(id string, is bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.alive[id] = is
}

func namespace(t *testing.T) *os.File {
	t.Helper()
	ns, err := space.New()
	if err != nil {
		t.Skipf("needs CAP_SYS_ADMIN in its user namespace: %v", err)
	}
	t.Cleanup(func() { ns.Close() })
	return ns
}

func (l *lab) create(o CreateOptions) *record.Network {
	l.t.Helper()
	x, err := l.n.Create(o)
	if err != nil {
		l.t.Fatal(err)
	}
	return x
}

// container starts one on the networks.
func (l *lab) container(name string, ports []string, networks ...string) (*os.File, *Result) {
	l.t.Helper()
	a := Attachment{Container: name + strings.Repeat("0", 20), Name: name, NetNS: namespace(l.t)}
	for _, s := range ports {
		p, err := ParsePublish(s)
		if err != nil {
			l.t.Fatal(err)
		}
		a.Ports = append(a.Ports, p...)
	}
	for _, x := range networks {
		a.Networks = append(a.Networks, Want{Network: x})
	}
	l.setAlive(a.Container, true)
	r, err := l.n.Attach(a)
	if err != nil {
		l.t.Fatal(err)
	}
	return a.NetNS, r
}

// run runs a command in a namespace and gives what it prints.
func run(ns *os.File, command string) (string, error) {
	var out []byte
	err := space.Do(ns, func() (err error) {
		out, err = exec.Command("sh", "-c", command).CombinedOutput()
		return err
	})
	return strings.TrimSpace(string(out)), err
}

// serve answers one connection with the client's address.
func serve(t *testing.T, ns *os.File, network, port string) {
	t.Helper()
	var cmd *exec.Cmd
	err := space.Do(ns, func() error {
		address := network + "-LISTEN:" + port + ",fork,reuseaddr"
		if network == "UDP6" {
			address = "UDP6-RECVFROM:" + port + ",fork,reuseaddr"
		}
		cmd = exec.Command("socat", address+",ipv6only=0", "SYSTEM:read x; set -f; echo $SOCAT_PEERADDR")
		return cmd.Start()
	})
	if err != nil {
		t.Skipf("needs socat: %v", err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	waitListening(t, ns, port)
}

func waitListening(t *testing.T, ns *os.File, port string) {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if out, _ := run(ns, "ss -lntuH sport = :"+port); out != "" {
			return
		}
	}
	t.Fatalf("nobody listens on port %s", port)
}

// ask gives what the server on the other side says the client's address is; "" when it is out of reach.
func ask(ns *os.File, address string) string {
	out, err := run(ns, "echo hi | timeout 3 socat -T2 -t2 - "+address+",connect-timeout=1 2>/dev/null")
	if err != nil {
		return ""
	}
	return strings.Trim(out, "[]")
}

func pings(ns *os.File, to netip.Addr) bool {
	_, err := run(ns, "busybox ping -c1 -W1 "+to.String())
	return err == nil
}

func TestIsolation(t *testing.T) {
	l := newLab(t)
	l.create(CreateOptions{Name: "one", IPv6: true})
	l.create(CreateOptions{Name: "two"})
	l.create(CreateOptions{Name: "inner", Internal: true})
	a, ra := l.container("a", nil, "one")
	_, rb := l.container("b", nil, "one")
	_, rc := l.container("c", nil, "two")
	d, rd := l.container("d", nil, "inner")
	_, re := l.container("e", nil, "inner")
	world4, world6 := netip.MustParseAddr("203.0.113.2"), netip.MustParseAddr("2001:db8::2")
	for name, c := range map[string]struct {
		from *os.File
		to   netip.Addr
		want bool
	}{
		"same network":            {a, rb.Joined[0].Endpoint.IPv4, true},
		"same network, IPv6":      {a, rb.Joined[0].Endpoint.IPv6, true},
		"other network":           {a, rc.Joined[0].Endpoint.IPv4, false},
		"out":                     {a, world4, true},
		"out, IPv6":               {a, world6, true},
		"host":                    {a, ra.HostGateway, true},
		"internal: same":          {d, re.Joined[0].Endpoint.IPv4, true},
		"internal: out":           {d, world4, false},
		"internal: other network": {d, rb.Joined[0].Endpoint.IPv4, false},
		"into internal":           {a, rd.Joined[0].Endpoint.IPv4, false},
		"from the host":           {l.host, rc.Joined[0].Endpoint.IPv4, true},
	} {
		if got := pings(c.from, c.to); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
	if !rd.Internal || ra.Internal {
		t.Error("Result.Internal is wrong")
	}
	run(l.world, "ip route add "+rb.Joined[0].Network.Pool4().Subnet.String()+" via 203.0.113.1")
	if pings(l.world, rb.Joined[0].Endpoint.IPv4) {
		t.Error("a neighbour of the host reaches a container by its address")
	}
}

func TestPublish(t *testing.T) {
	l := newLab(t)
	l.create(CreateOptions{Name: "one", IPv6: true})
	l.create(CreateOptions{Name: "two", IPv6: true})
	web, _ := l.container("web", []string{"8080:80", "203.0.113.1:5353:53/udp", "[2001:db8::1]:7070:80"}, "one")
	peer, rp := l.container("peer", nil, "one")
	other, ro := l.container("other", nil, "two")
	serve(t, web, "TCP6", "80")
	serve(t, web, "UDP6", "53")
	_, port := rp.Joined[0].Network.Pool4(), "8080"
	for name, c := range map[string]struct {
		from          *os.File
		address, want string
	}{
		"outside":               {l.world, "TCP:203.0.113.1:" + port, "::ffff:203.0.113.2"},
		"outside, IPv6":         {l.world, "TCP6:[2001:db8::1]:" + port, "2001:0db8:0000:0000:0000:0000:0000:0002"},
		"outside, IPv6 address": {l.world, "TCP6:[2001:db8::1]:7070", "2001:0db8:0000:0000:0000:0000:0000:0002"},
		"outside, UDP":          {l.world, "UDP:203.0.113.1:5353", "::ffff:203.0.113.2"},
		"the host":              {l.host, "TCP:203.0.113.1:" + port, "::ffff:203.0.113.1"},
		"same network":          {peer, "TCP:203.0.113.1:" + port, "::ffff:" + rp.HostGateway.String()},
		"itself":                {web, "TCP:203.0.113.1:" + port, "::ffff:" + rp.HostGateway.String()},
		"another network":       {other, "TCP:203.0.113.1:" + port, "::ffff:" + ro.Joined[0].Endpoint.IPv4.String()},
		"not this address":      {l.host, "TCP:" + rp.HostGateway.String() + ":7070", ""},
	} {
		if got := unmapped(ask(c.from, c.address)); got != unmapped(c.want) {
			t.Errorf("%s: the service sees %q, want %q", name, got, c.want)
		}
	}
}

// unmapped is an address in its shortest form; socat prints the longest.
func unmapped(s string) string {
	a, err := netip.ParseAddr(strings.Trim(s, "[]"))
	if err != nil {
		return s
	}
	return a.Unmap().String()
}

func TestNothingLeaks(t *testing.T) {
	l := newLab(t)
	before, _ := run(l.host, "ip -o link | cut -d: -f2 | sort; nft list ruleset")
	l.create(CreateOptions{Name: "one"})
	_, ra := l.container("a", []string{"8080:80"}, "one", "bridge")
	if eth := ra.Joined[1].Endpoint.Interface; eth != "eth1" {
		t.Errorf("second interface is %s", eth)
	}
	_, rb := l.container("b", nil, "one")
	if err := l.n.Remove("one"); !errors.Is(err, ErrInUse) {
		t.Errorf("remove a network in use: %v", err)
	}
	if err := l.n.Detach(ra.Joined[0].Endpoint.Container); err != nil {
		t.Fatal(err)
	}
	l.setAlive(rb.Joined[0].Endpoint.Container, false) // killed
	if err := l.n.Heal(); err != nil {
		t.Fatal(err)
	}
	if after, _ := run(l.host, "ip -o link | cut -d: -f2 | sort; nft list ruleset"); after != before {
		t.Errorf("left: %s\nbefore: %s", after, before)
	}
	_, rc := l.container("c", nil, "one")
	if got := rc.Joined[0].Endpoint.IPv4; got != ra.Joined[0].Endpoint.IPv4 {
		t.Errorf("the address of a dead container is not given out again: %s", got)
	}
}

func TestAttachUndone(t *testing.T) {
	l := newLab(t)
	l.create(CreateOptions{Name: "one", Pools: []record.Pool{{Subnet: pfx("10.99.0.0/24")}}})
	before, _ := run(l.host, "ip -o link | cut -d: -f2 | sort; nft list ruleset")
	ns := namespace(t)
	for name, wants := range map[string][]Want{
		"unknown network":      {{Network: "one"}, {Network: "none-such"}},
		"address out of range": {{Network: "bridge"}, {Network: "one", IPv4: netip.MustParseAddr("10.98.0.2")}},
		"no IPv6":              {{Network: "one", IPv6: netip.MustParseAddr("fd00::2")}},
		"bad hardware address": {{Network: "bridge"}, {Network: "one", MAC: "zz"}},
		"interface twice":      {{Network: "bridge", Interface: "x"}, {Network: "one", Interface: "x"}},
	} {
		l.setAlive("c", true)
		if _, err := l.n.Attach(Attachment{Container: "c", Name: "c", NetNS: ns, Networks: wants}); err == nil {
			t.Errorf("%s: no error", name)
		} else {
			t.Logf("%s: %v", name, err)
		}
		if after, _ := run(l.host, "ip -o link | cut -d: -f2 | sort; nft list ruleset"); after != before {
			t.Errorf("%s: left: %s", name, after)
		}
		if out, _ := run(ns, "ip -o link | grep -v lo:"); out != "" {
			t.Errorf("%s: left in the container: %s", name, out)
		}
	}
}

func TestConnect(t *testing.T) {
	l := newLab(t)
	l.create(CreateOptions{Name: "one"})
	l.create(CreateOptions{Name: "inner", Internal: true})
	ns, r := l.container("a", nil, "inner")
	id := r.Joined[0].Endpoint.Container
	world := netip.MustParseAddr("203.0.113.2")
	if _, err := l.n.Attach(Attachment{Container: id, Name: "a", NetNS: ns, Networks: []Want{{Network: "one"}}}); err != nil {
		t.Fatal(err)
	}
	if !pings(ns, world) {
		t.Error("no way out after connecting")
	}
	if _, err := l.n.Attach(Attachment{Container: id, Name: "a", NetNS: ns, Networks: []Want{{Network: "one"}}}); !errors.Is(err, ErrConnected) {
		t.Errorf("connecting twice: %v", err)
	}
	if err := l.n.Disconnect(id, "one"); err != nil {
		t.Fatal(err)
	}
	if pings(ns, world) {
		t.Error("a way out after disconnecting")
	}
	if err := l.n.Disconnect(id, "one"); !errors.Is(err, ErrNotOn) {
		t.Errorf("disconnecting twice: %v", err)
	}
}

// TestFiftyAtOnce starts them as fifty commands do: each with its own lock.
func TestFiftyAtOnce(t *testing.T) {
	l := newLab(t)
	l.create(CreateOptions{Name: "one"})
	addresses := make([]netip.Addr, 50)
	var group sync.WaitGroup
	began := time.Now()
	for i := range addresses {
		id := fmt.Sprintf("c%d", i)
		ns := namespace(t)
		l.setAlive(id, true)
		group.Go(func() {
			n := Open(l.n.o)
			r, err := n.Attach(Attachment{Container: id, Name: id, NetNS: ns, Networks: []Want{{Network: "one"}}})
			if err != nil {
				t.Error(err)
				return
			}
			addresses[i] = r.Joined[0].Endpoint.IPv4
		})
	}
	group.Wait()
	t.Logf("50 attached in %v", time.Since(began))
	slices.SortFunc(addresses, netip.Addr.Compare)
	if n := len(slices.Compact(addresses)); n != 50 {
		t.Errorf("%d addresses for 50 containers", n)
	}
}

func TestCreateErrors(t *testing.T) {
	l := newLab(t)
	l.create(CreateOptions{Name: "one", Pools: []record.Pool{{Subnet: pfx("10.99.0.0/24")}}})
	for name, c := range map[string]struct {
		o    CreateOptions
		want error
	}{
		"name taken":   {CreateOptions{Name: "one"}, ErrExists},
		"default":      {CreateOptions{Name: "bridge"}, ErrExists},
		"predefined":   {CreateOptions{Name: "host"}, ErrExists},
		"the host's":   {CreateOptions{Name: "two", Pools: []record.Pool{{Subnet: pfx("203.0.113.128/25")}}}, ErrOverlap},
		"overlap":      {CreateOptions{Name: "two", Pools: []record.Pool{{Subnet: pfx("10.99.0.128/25")}}}, ErrOverlap},
		"bad gateway":  {CreateOptions{Name: "two", Pools: []record.Pool{{Subnet: pfx("10.98.0.0/24"), Gateway: netip.MustParseAddr("10.97.0.1")}}}, ErrAddress},
		"bad name":     {CreateOptions{Name: "../x"}, nil},
		"bad driver":   {CreateOptions{Name: "two", Driver: "overlay"}, nil},
		"bad mode":     {CreateOptions{Name: "two", Driver: "macvlan", Options: map[string]string{"parent": "x", "macvlan_mode": "l2"}}, nil},
		"no parent":    {CreateOptions{Name: "two", Driver: "macvlan"}, nil},
		"bad mtu":      {CreateOptions{Name: "two", Options: map[string]string{"mtu": "x"}}, nil},
		"two families": {CreateOptions{Name: "two", Pools: []record.Pool{{Subnet: pfx("10.98.0.0/24")}, {Subnet: pfx("10.97.0.0/24")}}}, nil},
	} {
		_, err := l.n.Create(c.o)
		if err == nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if err := l.n.Remove("bridge"); !errors.Is(err, ErrPredefined) && !errors.Is(err, ErrNoNetwork) {
		t.Errorf("remove the default network: %v", err)
	}
	if _, err := l.n.Find("nope"); !errors.Is(err, ErrNoNetwork) {
		t.Errorf("find: %v", err)
	}
	if x, err := l.n.Find(l.create(CreateOptions{Name: "three"}).ID[:12]); err != nil || x.Name != "three" {
		t.Errorf("find by id: %v, %v", x, err)
	}
	names, err := l.n.Prune(func(*record.Network) bool { return true })
	if err != nil || !slices.Equal(names, []string{"one", "three"}) {
		t.Errorf("prune: %v, %v", names, err)
	}
}

func TestMacvlan(t *testing.T) {
	l := newLab(t)
	l.create(CreateOptions{Name: "mac", Driver: record.Macvlan, Options: map[string]string{"parent": "wan0"}, Pools: []record.Pool{{Subnet: pfx("203.0.113.0/24"), Gateway: netip.MustParseAddr("203.0.113.2"), Range: pfx("203.0.113.64/26")}}})
	ns, r := l.container("a", nil, "mac")
	if !pings(ns, netip.MustParseAddr("203.0.113.2")) {
		t.Errorf("%v cannot reach its gateway", r.Joined[0].Endpoint.IPv4)
	}
}

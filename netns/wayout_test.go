package netns

import (
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"codeberg.org/hoy/hoy/netns/hold"
	"codeberg.org/hoy/hoy/netns/space"
	"codeberg.org/hoy/hoy/netns/uplink"
	"codeberg.org/hoy/hoy/netns/uplink/stack"
	"codeberg.org/hoy/hoy/netns/wake"
)

// TestMain is the roles that hoy's main dispatches.
func TestMain(m *testing.M) {
	switch os.Args[0] {
	case uplink.Role:
		os.Exit(stack.Main(os.Args))
	case hold.Role:
		os.Exit(hold.Main(os.Args))
	}
	os.Exit(m.Run())
}

// keep has the stack started on the lab's host when the link needs it.
func (l *lab) keep(w *WayOut) *wake.Keeper {
	part, err := uplink.Part(w.Options, 0)
	if err != nil {
		l.t.Fatal(err)
	}
	k, err := wake.New([]wake.Part{part}, []*os.File{w.Device})
	if err != nil {
		l.t.Fatal(err)
	}
	go space.Do(l.host, func() error { k.Run(); return nil })
	return k
}

// out gives a container of its own a way out through the lab's host.
func (l *lab) out() (*os.File, *WayOut) {
	ns := namespace(l.t)
	w, err := NewWayOut(ns, "")
	if err != nil {
		l.t.Fatal(err)
	}
	k := l.keep(w)
	l.t.Cleanup(func() { k.Close(); w.Device.Close() })
	return ns, w
}

func TestWayOut(t *testing.T) {
	l := newLab(t)
	ns, w := l.out()
	serve(t, l.world, "TCP6", "80")
	serve(t, l.world, "UDP6", "53")
	serve(t, l.host, "TCP6", "81")
	for name, c := range map[string]struct{ address, want string }{
		"TCP":          {"TCP:203.0.113.2:80", "203.0.113.1"},
		"TCP, IPv6":    {"TCP6:[2001:db8::2]:80", "2001:db8::1"},
		"UDP":          {"UDP:203.0.113.2:53", "203.0.113.1"},
		"UDP, IPv6":    {"UDP6:[2001:db8::2]:53", "2001:db8::1"},
		"the host":     {"TCP:" + w.Options.Gateway4.String() + ":81", "203.0.113.1"},
		"host, IPv6":   {"TCP6:[" + w.Options.Gateway6.String() + "]:81", "2001:db8::1"},
		"nobody there": {"TCP:203.0.113.2:82", ""},
	} {
		if got := unmapped(ask(ns, c.address)); got != c.want {
			t.Errorf("%s: the service sees %q, want %q", name, got, c.want)
		}
	}
	began := time.Now()
	if _, err := run(ns, "timeout 5 socat -u OPEN:/dev/null TCP:203.0.113.2:82"); err == nil || time.Since(began) > 2*time.Second {
		t.Errorf("a closed port is not refused at once: %v after %v", err, time.Since(began))
	}
	run(l.host, "cd /proc/sys/net/ipv4; echo 0 2147483647 >ping_group_range || echo 0 0 >ping_group_range") // all groups, or all that are mapped
	for _, to := range []string{"203.0.113.2", "2001:db8::2", w.Options.Gateway4.String(), w.Options.Gateway6.String()} {
		if !pings(ns, netip.MustParseAddr(to)) {
			t.Errorf("cannot ping %s", to)
		}
	}
	if pings(ns, netip.MustParseAddr("203.0.113.77")) {
		t.Error("an address that nobody has answers")
	}
}

func TestWayOutEnds(t *testing.T) {
	l := newLab(t)
	ns := namespace(t)
	w, err := NewWayOut(ns, "")
	if err != nil {
		t.Fatal(err)
	}
	defer w.Device.Close()
	done := make(chan struct{})
	part, err := uplink.Part(w.Options, 0)
	if err != nil {
		t.Fatal(err)
	}
	k, err := wake.New([]wake.Part{part}, []*os.File{w.Device})
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(done)
		space.Do(l.host, func() error { k.Run(); return nil })
	}()
	serve(t, l.world, "TCP6", "80")
	if got := ask(ns, "TCP:203.0.113.2:80"); unmapped(got) != "203.0.113.1" {
		t.Errorf("no way out: %q", got)
	}
	run(ns, "ip link del eth0")
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatal("the process outlives the container's link")
	}
}

func TestWayOutThroughput(t *testing.T) {
	l := newLab(t)
	ns, _ := l.out()
	for _, direction := range []string{"", "-R"} {
		stop := make(chan struct{})
		go func() { run(l.world, "timeout 10 iperf3 -s -1"); close(stop) }()
		waitListening(t, l.world, "5201")
		out, err := run(ns, "timeout 8 iperf3 -t 2 -f g "+direction+" -c 203.0.113.2")
		if err != nil {
			t.Skipf("needs iperf3: %v: %s", err, out)
		}
		<-stop
		lines := strings.Split(out, "\n")
		t.Log(strconv.Quote(direction), lines[len(lines)-3])
	}
}

package netns

import (
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"codeberg.org/hoy/hoy/netns/hold"
	"codeberg.org/hoy/hoy/netns/space"
)

// join joins the user's networks as a command does that runs on the lab's host.
func (l *lab) join(run string) *Hub {
	l.t.Helper()
	var hub *Hub
	err := space.Do(l.host, func() (err error) { hub, err = Join(run); return err })
	if err != nil {
		l.t.Fatal(err)
	}
	return hub
}

// ended waits until the holder has gone.
func ended(t *testing.T, run string) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if _, there := hold.In(run).Current(); !there {
			return
		}
	}
	t.Fatal("the holder outlives its last container")
}

func TestHolder(t *testing.T) {
	l := newLab(t)
	run := filepath.Join(t.TempDir(), "run")
	began := time.Now()
	hub := l.join(run)
	t.Logf("joined after %v", time.Since(began))
	l.n = Open(Options{Root: t.TempDir(), Host: hub.NS, Gateway: hub.Gateway, Alive: l.isAlive})
	l.create(CreateOptions{Name: "one", IPv6: true})
	a, ra := l.container("a", nil, "one")
	b, rb := l.container("b", nil, "one")
	hub.Close()
	if ra.HostGateway != hub.Gateway {
		t.Errorf("the host is %v, not %v", ra.HostGateway, hub.Gateway)
	}
	serve(t, l.world, "TCP6", "80")
	serve(t, l.host, "TCP6", "81")
	for address, want := range map[string]string{
		"TCP:203.0.113.2:80": "203.0.113.1", "TCP6:[2001:db8::2]:80": "2001:db8::1", "TCP:" + ra.HostGateway.String() + ":81": "203.0.113.1",
	} {
		if got := unmapped(ask(a, address)); got != want {
			t.Errorf("%s: the service sees %q, want %q", address, got, want)
		}
	}
	if !pings(a, rb.Joined[0].Endpoint.IPv4) || !pings(a, rb.Joined[0].Endpoint.IPv6) {
		t.Error("two containers of a network do not reach each other")
	}
	first := hub.Pid
	again := l.join(run)
	l.n.o.Host = again.NS
	if err := l.n.Detach(ra.Joined[0].Endpoint.Container); err != nil {
		t.Fatal(err)
	}
	if again.Pid != first {
		t.Error("a second holder while the first has a container")
	}
	again.Close()
	b.Close() // killed, with its monitor
	ended(t, run)
	again = l.join(run)
	if again.Pid == first {
		t.Error("the holder that ended is found")
	}
	again.Close()
	ended(t, run)
}

func TestOneHolder(t *testing.T) {
	l := newLab(t)
	run := t.TempDir()
	pids := make([]int, 10)
	hubs := make([]*Hub, len(pids))
	var group sync.WaitGroup
	for i := range pids {
		group.Go(func() {
			hubs[i] = l.join(run)
			pids[i] = hubs[i].Pid
		})
	}
	group.Wait()
	for i, hub := range hubs {
		if pids[i] != pids[0] {
			t.Errorf("holders %v", pids)
		}
		hub.Close()
	}
	ended(t, run)
}

func TestHolderKilled(t *testing.T) {
	l := newLab(t)
	run := t.TempDir()
	hub := l.join(run)
	p, err := os.FindProcess(hub.Pid)
	if err != nil {
		t.Fatal(err)
	}
	p.Signal(syscall.SIGKILL)
	ended(t, run)
	hub.Close()
	again := l.join(run)
	if again.Pid == hub.Pid {
		t.Error("a killed holder is found")
	}
	again.Close()
	ended(t, run)
}

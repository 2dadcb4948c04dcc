package netns

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"codeberg.org/hoy/hoy/netns/dns"
	"codeberg.org/hoy/hoy/netns/publish"
	"codeberg.org/hoy/hoy/netns/record"
	"codeberg.org/hoy/hoy/netns/space"
)

// monitored is a container whose ports are served as rootless: no rules of the host's translate them.
func (l *lab) monitored(networks ...string) (*os.File, *Result, func(ports ...string) []record.Port) {
	ns, r := l.container("web", nil, networks...)
	inside, err := Prepare(ns, []record.Port{{Protocol: "tcp"}, {Protocol: "udp"}})
	if err != nil {
		l.t.Fatal(err)
	}
	e, x := r.Joined[0].Endpoint, r.Joined[0].Network
	target := publish.Target{NS: ns, IPv4: e.IPv4, IPv6: e.IPv6, Gateway4: x.Pool4().Gateway, Mark: inside.Mark}
	if p := x.Pool6(); p != nil {
		target.Gateway6 = p.Gateway
	}
	l.run(func(ctx context.Context) {
		names := dns.NewServer(dns.Options{Dir: l.n.Dir(), Container: e.Container, Sockets: inside.Names})
		names.Round(ctx, time.Now().Add(time.Minute))
		names.Close()
	})
	return ns, r, func(specs ...string) []record.Port {
		var ports *publish.Ports
		err := space.Do(l.host, func() (err error) {
			var all []record.Port
			for _, s := range specs {
				p, err := ParsePublish(s)
				if err != nil {
					return err
				}
				all = append(all, p...)
			}
			ports, err = publish.Reserve(all, false)
			return err
		})
		if err != nil {
			l.t.Fatal(err)
		}
		l.run(func(ctx context.Context) {
			server, err := ports.Server(target)
			if err != nil {
				l.t.Error(err)
				return
			}
			for ctx.Err() == nil { // many rounds: what comes between two is not lost
				server.Round(ctx, time.Now().Add(50*time.Millisecond))
			}
			server.Close()
		})
		return ports.Bound()
	}
}

// run runs f until the test ends, and waits for it.
func (l *lab) run(f func(context.Context)) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); f(ctx) }()
	l.t.Cleanup(func() { cancel(); <-done })
}

func TestPublishByMonitor(t *testing.T) {
	l := newLab(t)
	l.create(CreateOptions{Name: "one", IPv6: true})
	ns, r, reserve := l.monitored("one")
	peer, _ := l.container("peer", nil, "one")
	bound := reserve("8080:80", "53/udp", "127.0.0.1:9090:80")
	serve(t, ns, "TCP6", "80")
	serve(t, ns, "UDP6", "53")
	udp := fmt.Sprint(bound[1].HostPort)
	gateway := r.HostGateway.String()
	for range 2 {
		for name, c := range map[string]struct {
			from          *os.File
			address, want string
		}{
			"outside":             {l.world, "TCP:203.0.113.1:8080", "203.0.113.2"},
			"outside, IPv6":       {l.world, "TCP6:[2001:db8::1]:8080", "2001:db8::2"},
			"outside, UDP":        {l.world, "UDP:203.0.113.1:" + udp, "203.0.113.2"},
			"outside, UDP, IPv6":  {l.world, "UDP6:[2001:db8::1]:" + udp, "2001:db8::2"},
			"loopback":            {l.host, "TCP:127.0.0.1:8080", gateway},
			"loopback, IPv6":      {l.host, "TCP6:[::1]:8080", r.Joined[0].Network.Pool6().Gateway.String()},
			"loopback, UDP":       {l.host, "UDP:127.0.0.1:" + udp, gateway},
			"loopback only":       {l.host, "TCP:127.0.0.1:9090", gateway},
			"a neighbour, direct": {peer, "TCP:" + r.Joined[0].Endpoint.IPv4.String() + ":80", "10.86.0.3"},
		} {
			if got := unmapped(ask(c.from, c.address)); got != c.want {
				t.Errorf("%s: the service sees %q, want %q", name, got, c.want)
			}
		}
	}
	if got := ask(l.world, "TCP:203.0.113.1:9090"); got != "" {
		t.Errorf("a loopback port is reached from outside: %q", got)
	}
}

func TestNamesBesideNameServer(t *testing.T) {
	l := newLab(t)
	l.create(CreateOptions{Name: "one"})
	ns, _, _ := l.monitored("one")
	l.container("db", nil, "one")
	err := space.Do(ns, func() error { // a name server in the container, on every address
		c, err := net.ListenPacket("udp4", "0.0.0.0:53")
		if err == nil {
			t.Cleanup(func() { c.Close() })
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := exec.LookPath("dig"); err != nil && os.Getenv("HOY_TEST_ALL") == "" {
		t.Skip("needs dig")
	}
	for _, flags := range []string{"", "+tcp"} {
		if out, err := run(ns, "dig @127.0.0.11 +tries=1 +time=2 +short "+flags+" db"); err != nil || out != "10.86.0.3" {
			t.Errorf("dig %s: %q, %v", flags, out, err)
		}
	}
}

// TestThroughput sends 64 MiB through a port: an end that is not passed on, or a byte lost, would show.
func TestThroughput(t *testing.T) {
	l := newLab(t)
	l.create(CreateOptions{Name: "one"})
	ns, _, reserve := l.monitored("one")
	reserve("8080:80")
	var listener net.Listener
	err := space.Do(ns, func() (err error) { listener, err = net.Listen("tcp4", ":80"); return err })
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	const size = 64 << 20
	got := make(chan int64)
	go func() {
		c, err := listener.Accept()
		if err != nil {
			got <- -1
			return
		}
		n, _ := c.(*net.TCPConn).WriteTo(discard{})
		c.Write([]byte("end"))
		c.Close()
		got <- n
	}()
	var client net.Conn
	err = space.Do(l.world, func() (err error) { client, err = net.Dial("tcp4", "203.0.113.1:8080"); return err })
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	client.Write(make([]byte, size))
	client.(*net.TCPConn).CloseWrite()
	if n := <-got; n != size {
		t.Errorf("%d of %d bytes", n, size)
	}
	t.Logf("%.0f MiB/s", size/time.Since(began).Seconds()/(1<<20))
	var end strings.Builder
	if client.(*net.TCPConn).WriteTo(&end); end.String() != "end" {
		t.Errorf("after the client's end: %q", end.String())
	}
}

type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }

package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"
)

// How much is measured at once: enough that the start of it does not count.
const (
	transfer = 512 << 20 // bytes, in turn with the others: more at once would measure what else the machine does
	requests = 16000     // over sixteen connections
	trips    = 4000      // one after another
	lookups  = 16000
	fifty    = 50
)

// setupNetRun compares runs on the default network.
func setupNetRun(b *bench) ([]contender, func(), error) {
	if err := b.openLab(); err != nil {
		return nil, nil, err
	}
	args := []string{"run", "--rm", "--pull", "never", baseImage, "true"}
	return []contender{b.hoy.inLab().contender(args...), b.podman.inLab().contender(args...)}, nil, nil
}

// pair is two containers of an engine on one network, each with the server of peer.go; the first is published on a port of the host.
type pair struct {
	engine
	port   string
	second string // address of the second one as the first one knows it
}

// pairs starts a pair for each engine. The third value undoes it.
func (b *bench) pairs() ([]pair, func(), error) {
	if err := b.openLab(); err != nil {
		return nil, nil, err
	}
	program, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	iperf, err := b.copyIperf()
	if err != nil {
		return nil, nil, err
	}
	var out []pair
	for i, e := range []engine{b.hoy.inLab(), b.podman.inLab()} {
		p := pair{engine: e, port: fmt.Sprint(9100 + i), second: "two:9000"}
		if p.missing == "" {
			if err := p.start(program, iperf); err != nil {
				p.missing = err.Error()
			}
		}
		out = append(out, p)
	}
	undo := func() {
		for _, p := range out {
			p.command("kill", "one", "two")
			p.command("rm", "-f", "one", "two")
			p.command("network", "rm", "benchnet")
		}
	}
	return out, undo, nil
}

func (p *pair) start(program, iperf string) error {
	if err := p.command("network", "create", "benchnet"); err != nil {
		return err
	}
	for _, c := range [][]string{{"one", "-p", p.port + ":9000", "-p", iperfPort(p.port) + ":" + iperfPort("9000")}, {"two"}} {
		args := append([]string{"run", "-d", "--pull", "never", "--network", "benchnet", "-v", program + ":/bench:ro", "-v", iperf + ":" + iperfMount + ":ro", "--name"}, c...)
		if err := p.command(append(args, baseImage, "/bench", peerRole, ":9000")...); err != nil {
			return err
		}
	}
	return awaitPeer(labWorld, hostAddress+":"+p.port)
}

// contend makes a contender of each pair and, last, of the plain bridge; plain may be nil.
func (b *bench) contend(work func(address, second string) error, plain func() error) ([]contender, func(), error) {
	ps, undo, err := b.pairs()
	if err != nil {
		return nil, undo, err
	}
	var cs []contender
	for _, p := range ps {
		cs = append(cs, contender{name: p.name, skip: p.missing, run: func() error { return work(hostAddress+":"+p.port, p.second) }})
	}
	if plain != nil {
		cs = append(cs, contender{name: plainBridge, run: plain})
	}
	return cs, undo, nil
}

const plainBridge = "plain bridge"

// tell has the server at an address do something, asked from the other machine.
func tell(address, format string, args ...any) error {
	_, err := ask(labWorld, address, fmt.Sprintf(format, args...))
	return err
}

// contendBytes is contend for work that measures itself.
func (b *bench) contendBytes(work func(address, second string) (flow, error), plain bool) ([]contender, func(), error) {
	ps, undo, err := b.pairs()
	if err != nil {
		return nil, undo, err
	}
	var cs []contender
	for _, p := range ps {
		cs = append(cs, flowing(p.name, p.missing, func() (flow, error) { return work(hostAddress+":"+p.port, p.second) }))
	}
	if plain {
		cs = append(cs, flowing(plainBridge, "", func() (flow, error) { return work(plainAddress+":9000", "") }))
	}
	return cs, undo, nil
}

func setupNetOut(b *bench) ([]contender, func(), error) {
	return b.contendBytes(func(address, _ string) (flow, error) { return pourFrom(address, worldAddress+":9000", transfer) }, true)
}

func setupNetIn(b *bench) ([]contender, func(), error) {
	return b.contendBytes(func(address, _ string) (flow, error) { return pourTo(address, transfer) }, true)
}

func setupNetBetween(b *bench) ([]contender, func(), error) {
	return b.contendBytes(func(address, second string) (flow, error) { return pourFrom(address, second, transfer) }, false)
}

// chat sends lines and waits for each to come back.
func chat(address string, n int) error {
	c, err := dialFrom(labWorld, address)
	if err != nil {
		return err
	}
	defer c.Close()
	r, line := bufio.NewReader(c), "GET / HTTP/1.1 "+strings.Repeat("x", 100)+"\n"
	fmt.Fprintln(c, "echo")
	for range n {
		if _, err := c.Write([]byte(line)); err != nil {
			return err
		}
		if _, err := r.ReadString('\n'); err != nil {
			return err
		}
	}
	return nil
}

func setupNetRequests(b *bench) ([]contender, func(), error) {
	const conns = 16
	work := func(address, _ string) error {
		return parallel(conns, func() error { return chat(address, requests/conns) })
	}
	return b.contend(work, func() error { return work(plainAddress+":9000", "") })
}

func setupNetLatency(b *bench) ([]contender, func(), error) {
	work := func(address, _ string) error { return chat(address, trips) }
	cs, undo, err := b.contend(work, func() error { return work(plainAddress+":9000", "") })
	for i := range cs {
		cs[i].divide = trips / 1000.0 // ms of all to µs of one
	}
	return cs, undo, err
}

func setupNetNames(b *bench) ([]contender, func(), error) {
	return b.contend(func(address, _ string) error { return tell(address, "resolve two %d", lookups) }, nil)
}

// setupNetFifty starts fifty containers at once on one network.
func setupNetFifty(b *bench) ([]contender, func(), error) {
	if err := b.openLab(); err != nil {
		return nil, nil, err
	}
	var cs []contender
	var undo []func()
	for _, e := range []engine{b.hoy.inLab(), b.podman.inLab()} {
		if e.missing == "" {
			if err := e.command("network", "create", "benchmany"); err != nil {
				e.missing = err.Error()
			}
			undo = append(undo, func() { e.command("network", "rm", "benchmany") })
		}
		names := make(chan string, fifty)
		cs = append(cs, contender{
			name: e.name, skip: e.missing,
			before: func() error {
				for i := range fifty {
					names <- fmt.Sprint("many", i)
				}
				return nil
			},
			run: func() error {
				return parallel(fifty, func() error {
					return e.command("run", "-d", "--pull", "never", "--network", "benchmany", "--name", <-names, baseImage, "sleep", "1000")
				})
			},
			after: func() error {
				var all []string
				for i := range fifty {
					all = append(all, fmt.Sprint("many", i))
				}
				err := e.command(append([]string{"kill"}, all...)...)
				return errors.Join(err, e.command(append([]string{"rm", "-f"}, all...)...))
			},
		})
	}
	return cs, func() { callAll(undo) }, nil
}

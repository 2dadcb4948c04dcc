package serve

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"codeberg.org/hoy/hoy/engine/monitor"
	"codeberg.org/hoy/hoy/netns/dns"
	"codeberg.org/hoy/hoy/netns/publish"
	"codeberg.org/hoy/hoy/netns/record"
	"codeberg.org/hoy/hoy/netns/wake"
)

// Role is the argv[0] of the processes that answer names and pass on ports. The arguments are the container's place, what it serves, and how many files
// it has.
const Role = "hoy-serve"

// What such a process serves. Published TCP ports have one of their own, for package publish keeps its thread to itself there.
const (
	whatStreams   = "tcp"
	whatDatagrams = "names,udp"
)

// idle is for how long the process waits for more to do. It is longer than a resolver's patience, and than most pauses between two requests of a client.
const idle = 20 * time.Second

// Main is the role "hoy-serve": it serves until there has been nothing to do for a while. It gives the exit status: 0 then.
func Main(args []string) int {
	if len(args) != 6 {
		return 2
	}
	p := monitor.Place{Root: args[1], Run: args[2], ID: args[3]}
	monitor.Trace(p)
	count, err := strconv.Atoi(args[5])
	if err == nil {
		err = serve(p, args[4], count)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "hoy: network:", err)
		return 1
	}
	return 0
}

func serve(p monitor.Place, what string, count int) error {
	n, err := Read(p)
	if err == nil && (n == nil || count < 1) {
		err = errors.New("the container has no network to serve")
	}
	if err != nil {
		return err
	}
	for fd := wake.FirstFD; fd < wake.FirstFD+count; fd++ {
		unix.CloseOnExec(fd)
		n.Files = append(n.Files, os.NewFile(uintptr(fd), "network"))
	}
	var names *dns.Server
	first := fileUDP
	if what == whatDatagrams {
		if names, err = n.names(p); err != nil {
			return fmt.Errorf("take over the name service: %w", err)
		}
		first = fileMore
	}
	mine := slices.DeleteFunc(n.Ports, func(q record.Port) bool { return (q.Protocol == "tcp") != (what == whatStreams) })
	ports, err := publish.FromFiles(mine, n.Files[first:])
	if err != nil {
		return fmt.Errorf("take over the ports: %w", err)
	}
	server, err := ports.Server(publish.Target{NS: n.Files[fileNS], IPv4: n.IPv4, IPv6: n.IPv6, Gateway4: n.Gateway4, Gateway6: n.Gateway6, Mark: n.Mark})
	if err != nil {
		return err
	}
	wake.Shrink()
	for busy := true; busy && err == nil; {
		busy, err = untilIdle(names, server)
	}
	return err
}

func (n *Network) names(p monitor.Place) (*dns.Server, error) {
	if len(n.Files) < fileMore {
		return nil, errors.New("its sockets are missing")
	}
	sockets, err := dns.FromFiles(n.Files[fileUDP], n.Files[fileTCP])
	if err != nil {
		return nil, err
	}
	return dns.NewServer(dns.Options{Dir: path.Join(p.Root, "networks"), Container: p.ID, Sockets: sockets, Servers: n.Servers, NS: n.Files[fileNS]}), nil
}

// untilIdle serves one round, names too if there is such a server; false: nothing came, and nothing is under way. What comes after it waits in the
// sockets, and wakes the next process.
func untilIdle(names *dns.Server, ports *publish.Server) (bool, error) {
	ctx, until := context.Background(), time.Now().Add(idle)
	busy := make(chan bool, 1)
	go func() { busy <- names != nil && names.Round(ctx, until) }()
	passed, err := ports.Round(ctx, until)
	return <-busy || passed, err
}

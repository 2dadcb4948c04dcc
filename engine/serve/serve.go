package serve

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"codeberg.org/hoy/hoy/engine/monitor"
	"codeberg.org/hoy/hoy/netns/dns"
	"codeberg.org/hoy/hoy/netns/publish"
	"codeberg.org/hoy/hoy/netns/wake"
)

// Role is the argv[0] of the process that answers names and passes on ports. The arguments are the container's place, and how many files it has.
const Role = "hoy-serve"

// idle is for how long the process waits for more to do. It is longer than a resolver's patience, and than most pauses between two requests of a client.
const idle = 20 * time.Second

// Main is the role "hoy-serve": it serves until there has been nothing to do for a while. It gives the exit status: 0 then.
func Main(args []string) int {
	if len(args) != 5 {
		return 2
	}
	p := monitor.Place{Root: args[1], Run: args[2], ID: args[3]}
	monitor.Trace(p)
	count, err := strconv.Atoi(args[4])
	if err == nil {
		err = serve(p, count)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "hoy: network:", err)
		return 1
	}
	return 0
}

func serve(p monitor.Place, count int) error {
	n, err := Read(p)
	if err == nil && (n == nil || count < fileMore) {
		err = errors.New("the container has no network to serve")
	}
	if err != nil {
		return err
	}
	for fd := wake.FirstFD; fd < wake.FirstFD+count; fd++ {
		unix.CloseOnExec(fd)
		n.Files = append(n.Files, os.NewFile(uintptr(fd), "network"))
	}
	ns := n.Files[fileNS]
	sockets, err := dns.FromFiles(n.Files[fileUDP], n.Files[fileTCP])
	if err != nil {
		return fmt.Errorf("take over the name service: %w", err)
	}
	ports, err := publish.FromFiles(n.Ports, n.Files[fileMore:])
	if err != nil {
		return fmt.Errorf("take over the ports: %w", err)
	}
	names := dns.NewServer(dns.Options{Dir: path.Join(p.Root, "networks"), Container: p.ID, Sockets: sockets, Servers: n.Servers, NS: ns})
	server := ports.Server(publish.Target{NS: ns, IPv4: n.IPv4, IPv6: n.IPv6, Gateway4: n.Gateway4, Gateway6: n.Gateway6, Mark: n.Mark})
	wake.Shrink()
	for untilIdle(names, server) {
	}
	return nil
}

// untilIdle serves one round; false: nothing came, and nothing is under way. What comes after it waits in the sockets, and wakes the next process.
func untilIdle(names *dns.Server, ports *publish.Server) bool {
	ctx, until := context.Background(), time.Now().Add(idle)
	busy := make(chan bool)
	go func() { busy <- names.Round(ctx, until) }()
	passed := ports.Round(ctx, until)
	return <-busy || passed
}

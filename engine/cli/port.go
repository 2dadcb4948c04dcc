package cli

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"codeberg.org/hoy/hoy/netns/record"
)

func portCommand(s *session) *command {
	return &command{
		args:     "CONTAINER [PRIVATE_PORT[/PROTO]]",
		short:    "List port mappings or a specific mapping for the container",
		aliases:  []string{"container port", "port"},
		min:      1,
		max:      2,
		complete: first(runningContainers),
		run: func(_ context.Context, args []string) error {
			e, c, err := s.container(args[0])
			if err != nil {
				return err
			}
			ports := e.Ports(c)
			if len(args) == 1 {
				s.printPorts(ports)
				return nil
			}
			return s.printPort(ports, args[1], args[0])
		},
	}
}

// printPorts lists all, in the order of the container's ports.
func (s *session) printPorts(ports []record.Port) {
	slices.SortStableFunc(ports, func(a, b record.Port) int {
		return cmp.Or(cmp.Compare(a.Port, b.Port), cmp.Compare(a.Protocol, b.Protocol))
	})
	for _, p := range ports {
		for _, a := range hostEnds(p) {
			fmt.Fprintf(s.Out, "%d/%s -> %s\n", p.Port, p.Protocol, a)
		}
	}
}

func (s *session) printPort(ports []record.Port, want, container string) error {
	number, protocol, ok := strings.Cut(want, "/")
	if !ok {
		protocol = "tcp"
	}
	n, err := strconv.ParseUint(number, 10, 16)
	if err != nil {
		return fmt.Errorf("invalid port: %s", want)
	}
	found := false
	for _, p := range ports {
		if p.Port == uint16(n) && p.Protocol == strings.ToLower(protocol) {
			found = true
			for _, a := range hostEnds(p) {
				s.print(a)
			}
		}
	}
	if !found {
		return fmt.Errorf("no public port '%s' published for %s", want, container)
	}
	return nil
}

// hostEnds are the addresses and ports of the host that lead to p.
func hostEnds(p record.Port) []string {
	port := strconv.Itoa(int(p.HostPort))
	if p.HostIP.IsValid() {
		return []string{net.JoinHostPort(p.HostIP.String(), port)}
	}
	return []string{"0.0.0.0:" + port, "[::]:" + port}
}

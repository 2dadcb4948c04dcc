package cli

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"codeberg.org/hoy/hoy/engine"
	"codeberg.org/hoy/hoy/engine/cli/flags"
	"codeberg.org/hoy/hoy/engine/cli/format"
	"codeberg.org/hoy/hoy/netns/record"
)

func portCommand(s *session) *command {
	var l selection
	return &command{
		args:     "CONTAINER [PRIVATE_PORT[/PROTO]]",
		short:    "List port mappings or a specific mapping for the container",
		aliases:  []string{"container port", "port"},
		min:      1,
		max:      2,
		complete: first(runningContainers),
		implied:  l.implied,
		flags:    []*flags.Flag{flags.Bool(&l.all, "all,a", "Display port information for all containers"), latestFlag(&l.latest)},
		run: func(_ context.Context, args []string) error {
			if l.all {
				return s.allPorts()
			}
			ref, rest, err := s.oneRef(l.latest, args)
			if err != nil {
				return err
			}
			e, c, err := s.container(ref)
			if err != nil {
				return err
			}
			ports := e.Ports(c)
			if len(rest) == 0 {
				s.printPorts(ports)
				return nil
			}
			return s.printPort(ports, rest[0], ref)
		},
	}
}

// allPorts lists the ports of all running containers, with their names.
func (s *session) allPorts() error {
	e, err := s.open()
	if err != nil {
		return err
	}
	list, err := e.List(engine.ListOptions{})
	for _, c := range list {
		for _, p := range sortedPorts(e.Ports(c)) {
			for _, a := range hostEnds(p) {
				fmt.Fprintf(s.Out, "%s\t%d/%s -> %s\n", format.ShortID(c.ID()), p.Port, p.Protocol, a)
			}
		}
	}
	return err
}

func sortedPorts(ports []record.Port) []record.Port {
	slices.SortStableFunc(ports, func(a, b record.Port) int {
		return cmp.Or(cmp.Compare(a.Port, b.Port), cmp.Compare(a.Protocol, b.Protocol))
	})
	return ports
}

// printPorts lists all, in the order of the container's ports.
func (s *session) printPorts(ports []record.Port) {
	for _, p := range sortedPorts(ports) {
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

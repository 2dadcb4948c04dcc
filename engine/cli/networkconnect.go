package cli

import (
	"context"
	"errors"

	"codeberg.org/hoy/hoy/engine/cli/flags"
	"codeberg.org/hoy/hoy/netns"
	"codeberg.org/hoy/hoy/oci"
)

func connectNetworkCommand(s *session) *command {
	var w oci.Network
	var links []string
	return &command{
		args:     "[OPTIONS] NETWORK CONTAINER",
		short:    "Connect a container to a network",
		min:      2,
		max:      2,
		complete: networkThenContainer,
		flags: []*flags.Flag{
			flags.List(&w.Aliases, "alias", "Add network-scoped alias for the container"),
			flags.Func(setAddress(&w.IPv4), "ip", "IPv4 address (e.g., 172.30.100.104)").As("ip"),
			flags.Func(setAddress(&w.IPv6), "ip6", "IPv6 address (e.g., 2001:db8::33)").As("ip"),
			flags.List(&links, "link", "Add link to another container"),
			flags.String(&w.MAC, "mac-address", "Container MAC address (e.g., 92:d0:c6:0a:29:33)"),
		},
		run: func(_ context.Context, args []string) error {
			e, c, err := s.container(args[1])
			if err != nil {
				return err
			}
			w.Name = canonicalNetwork(args[0])
			return e.Connect(c, w, links)
		},
	}
}

func disconnectNetworkCommand(s *session) *command {
	var force bool
	return &command{
		args:     "[OPTIONS] NETWORK CONTAINER",
		short:    "Disconnect a container from a network",
		min:      2,
		max:      2,
		complete: networkThenContainer,
		flags:    []*flags.Flag{flags.Bool(&force, "force,f", "Do not error if the container is not connected to the network")},
		run: func(_ context.Context, args []string) error {
			e, c, err := s.container(args[1])
			if err != nil {
				return err
			}
			err = e.Disconnect(c, canonicalNetwork(args[0]))
			if force && errors.Is(err, netns.ErrNotOn) {
				return nil
			}
			return err
		},
	}
}

func networkThenContainer(s *session, args []string) []choice {
	if len(args) == 0 {
		return completeNetworks(s, nil)
	}
	return first(allContainers)(s, args[1:])
}

package cli

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"codeberg.org/hoy/hoy/engine/cli/flags"
	"codeberg.org/hoy/hoy/netns"
	"codeberg.org/hoy/hoy/netns/record"
	"codeberg.org/hoy/hoy/oci"
)

type createNetworkOptions struct {
	netns.CreateOptions
	subnets, ranges []netip.Prefix
	gateways        []netip.Addr
	aux             map[string]string
	labels          []string
}

func createNetworkCommand(s *session) *command {
	o := &createNetworkOptions{}
	o.Driver = record.Bridge
	four := true
	return &command{
		args:  "[OPTIONS] NETWORK",
		short: "Create a network",
		min:   1,
		max:   1,
		flags: []*flags.Flag{
			flags.Map(&o.aux, "aux-address", "Auxiliary IPv4 or IPv6 addresses that no container gets"),
			flags.String(&o.Driver, "driver,d", "Driver to manage the Network").OneOf(record.Bridge, record.Ipvlan, record.Macvlan),
			flags.Func(appendParsed(&o.gateways, parseIP), "gateway", "IPv4 or IPv6 Gateway for the master subnet"),
			flags.Bool(&o.Internal, "internal", "Restrict external access to the network"),
			flags.Func(appendParsed(&o.ranges, parsePrefix), "ip-range", "Allocate container ip from a sub-range"),
			flags.Bool(&four, "ipv4", "Enable IPv4 address assignment: it always is"),
			flags.Bool(&o.IPv6, "ipv6", "Enable IPv6 address assignment"),
			flags.Func(keep(&o.labels, checkLabel), "label", "Set metadata on a network"),
			flags.Map(&o.Options, "opt,o", "Set driver specific options"),
			flags.Func(appendParsed(&o.subnets, parsePrefix), "subnet", "Subnet in CIDR format that represents a network segment"),
		},
		run: func(_ context.Context, args []string) (err error) {
			if !four {
				return errors.New("a network without IPv4 is not supported: leave --ipv4 out")
			}
			o.Name = args[0]
			if o.Labels, err = oci.ParseLabels(o.labels); err != nil {
				return err
			}
			if o.Pools, err = o.pools(); err != nil {
				return err
			}
			e, err := s.open()
			if err != nil {
				return err
			}
			return e.Networks(func(all *netns.Networks) error {
				x, err := all.Create(o.CreateOptions)
				if err == nil {
					e.NetworkHappened("create", x)
					s.print(x.ID)
				}
				return err
			})
		},
	}
}

// pools puts together --subnet, --gateway, --ip-range and --aux-address: each belongs to the subnet that it is within.
// Source: docker/cli, network create consolidateIpam.
func (o *createNetworkOptions) pools() ([]record.Pool, error) {
	var out []record.Pool
	for _, s := range o.subnets {
		out = append(out, record.Pool{Subnet: s.Masked()})
	}
	within := func(a netip.Addr, what string) (*record.Pool, error) {
		for i := range out {
			if out[i].Subnet.Contains(a) {
				return &out[i], nil
			}
		}
		return nil, fmt.Errorf("no matching subnet for %s %s", what, a)
	}
	for _, r := range o.ranges {
		p, err := within(r.Addr(), "range")
		if err != nil {
			return nil, err
		}
		if p.Range.IsValid() {
			return nil, errors.New("cannot configure multiple ranges on the same subnet")
		}
		p.Range = r
	}
	for _, g := range o.gateways {
		p, err := within(g, "gateway")
		if err != nil {
			return nil, err
		}
		if p.Gateway.IsValid() {
			return nil, errors.New("cannot configure multiple gateways for the same subnet")
		}
		p.Gateway = g
	}
	for name, value := range o.aux {
		a, err := parseIP(value)
		if err != nil {
			return nil, err
		}
		p, err := within(a, "aux-address")
		if err != nil {
			return nil, err
		}
		if p.Reserved == nil {
			p.Reserved = map[string]netip.Addr{}
		}
		p.Reserved[name] = a
	}
	return out, nil
}

func parseIP(s string) (netip.Addr, error) {
	a, err := netip.ParseAddr(strings.TrimSpace(s))
	if err != nil {
		return a, fmt.Errorf("invalid IP address: %s", s)
	}
	return a.Unmap(), nil
}

func parsePrefix(s string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(strings.TrimSpace(s))
	if err != nil {
		return p, fmt.Errorf("invalid CIDR address: %s", s)
	}
	return p, nil
}

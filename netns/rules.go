package netns

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"

	"codeberg.org/hoy/hoy/netns/nft"
	"codeberg.org/hoy/hoy/netns/record"
)

// rules says what the table is to do for the networks as they are. A network without containers needs nothing.
func rules(all []*record.Network) nft.Ruleset {
	var r nft.Ruleset
	for _, x := range all {
		if x.Driver != record.Bridge || len(x.Endpoints) == 0 {
			continue
		}
		net := nft.Network{Bridge: x.Bridge, Internal: x.Internal}
		for _, p := range x.Pools {
			net.Subnets = append(net.Subnets, p.Subnet)
		}
		r.Networks = append(r.Networks, net)
		ends := slices.SortedFunc(maps.Values(x.Endpoints), func(a, b *record.Endpoint) int { return cmp.Compare(a.Container, b.Container) })
		for _, e := range ends {
			for _, p := range e.Ports {
				r.Ports = append(r.Ports, translations(e, p)...)
			}
		}
	}
	return r
}

// translations gives a published port for each family that both the host's address and the container have. What is left over,
// as a host's IPv6 address for a container without, is package publish's.
func translations(e *record.Endpoint, p record.Port) []nft.Port {
	var out []nft.Port
	for _, to := range []netip.Addr{e.IPv4, e.IPv6} {
		if !to.IsValid() {
			continue
		}
		host := p.HostIP
		if !host.IsValid() {
			host = unspecified(to)
		}
		if host.Is4() == to.Is4() {
			out = append(out, nft.Port{HostIP: host, HostPort: p.HostPort, To: netip.AddrPortFrom(to, p.Port), Protocol: p.Protocol})
		}
	}
	return out
}

func unspecified(like netip.Addr) netip.Addr {
	if like.Is4() {
		return netip.IPv4Unspecified()
	}
	return netip.IPv6Unspecified()
}

// filter makes the table do after. When that is what it did before, and nobody has taken it away meanwhile, there is nothing to do.
func (n *Networks) filter(before, after nft.Ruleset) error {
	table := nft.Table{Name: n.table(), NS: n.o.Host}
	if before.Equal(after) {
		if len(after.Networks) == 0 {
			return nil
		}
		if there, err := table.Present(); err != nil || there {
			return err
		}
	}
	return table.Replace(after)
}

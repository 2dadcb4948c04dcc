package netns

import (
	"fmt"
	"net/netip"
	"slices"

	"codeberg.org/hoy/hoy/netns/link"
	"codeberg.org/hoy/hoy/netns/record"
)

// pools gives the network's subnets: the user's, and for a family without one the first that nobody uses.
func (n *Networks) pools(o CreateOptions, id string, all []*record.Network, links *link.Links) ([]record.Pool, error) {
	var out []record.Pool
	used := subnets(all)
	four, six := false, false
	for _, p := range o.Pools {
		p, err := newPool(p)
		if err != nil {
			return nil, err
		}
		if overlaps(p.Subnet, used) {
			return nil, refuse(ErrOverlap, "subnet %s: pool overlaps with other one on this address space", p.Subnet)
		}
		if is4 := p.Subnet.Addr().Is4(); is4 && four || !is4 && six {
			return nil, fmt.Errorf("subnet %s: a network has one subnet of each family", p.Subnet)
		} else {
			four, six = four || is4, six || !is4
		}
		out = append(out, p)
	}
	if o.Driver == record.Bridge && len(out) > 0 {
		if err := checkHost(out, links, o.Options[optBridgeName]); err != nil {
			return nil, err
		}
	}
	host, err := n.avoid(links)
	if err != nil {
		return nil, err
	}
	used = append(used, host...)
	if !four {
		subnet, err := freePool(candidates(o.Name), used)
		if err != nil {
			return nil, err
		}
		out = slices.Insert(out, 0, autoPool(subnet))
	}
	if o.IPv6 && !six {
		subnet := uniqueLocal(id)
		out = append(out, autoPool(subnet))
	}
	return out, nil
}

func candidates(name string) []candidate {
	if name == record.Default {
		return slices.Concat(defaultPools, userPools)
	}
	return userPools
}

func subnets(all []*record.Network) []netip.Prefix {
	var out []netip.Prefix
	for _, x := range all {
		for _, p := range x.Pools {
			out = append(out, p.Subnet)
		}
	}
	return out
}

// autoPool is a pool of hoy's choice.
func autoPool(subnet netip.Prefix) record.Pool {
	return record.Pool{Subnet: subnet, Gateway: subnet.Addr().Next(), Auto: true}
}

// checkHost refuses subnets that the host is in already: a bridge with one would take the host's way to its neighbours. bridge is the network's own.
func checkHost(pools []record.Pool, links *link.Links, bridge string) error {
	used, err := links.Connected(bridge)
	if err != nil {
		return err
	}
	for _, p := range pools {
		if overlaps(p.Subnet, used) {
			return refuse(ErrOverlap, "subnet %s is in use on the host", p.Subnet)
		}
	}
	return nil
}

// relocate gives the wanted networks that nobody is on, and whose subnet was hoy's choice, another one when the host has come to use that
// meanwhile: as another root's bridge, or a VPN. A subnet of the user's choice is refused then. The caller holds the lock.
func (n *Networks) relocate(wants []Want, all []*record.Network) error {
	links, err := link.Open(n.o.Host)
	if err != nil {
		return err
	}
	defer links.Close()
	for _, w := range wants {
		x, err := pick(w.Network, all)
		if err != nil || x.Driver != record.Bridge || len(x.Endpoints) > 0 {
			continue
		}
		if refused := checkHost(x.Pools, links, x.Bridge); refused != nil {
			if err := n.move(x, all, links); err != nil {
				return fmt.Errorf("network %s: %w", x.Name, refused)
			}
		}
	}
	return nil
}

// move gives a network another IPv4 subnet.
func (n *Networks) move(x *record.Network, all []*record.Network, links *link.Links) error {
	p := x.Pool4()
	if p == nil || !p.Auto && x.Name != record.Default { // the default network's always is
		return ErrOverlap
	}
	used, err := n.avoid(links)
	if err != nil {
		return err
	}
	subnet, err := freePool(candidates(x.Name), append(used, subnets(all)...))
	if err != nil {
		return err
	}
	*p = autoPool(subnet)
	return n.dir.Save(x)
}

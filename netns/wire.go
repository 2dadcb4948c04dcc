package netns

import (
	"net/netip"

	"codeberg.org/hoy/hoy/netns/link"
	"codeberg.org/hoy/hoy/netns/record"
)

// wire makes the container's links. Nobody waits for it: the lock is not held. The endpoints are in the files, so the bridges
// stay, and what it leaves when it is killed is found.
func (n *Networks) wire(a Attachment, joined []Joined) error {
	links, err := link.Open(n.o.Host)
	if err != nil {
		return err
	}
	defer links.Close()
	has4, has6, err := routed(a)
	if err != nil {
		return err
	}
	for _, j := range joined {
		i := n.interfaceOf(j)
		for _, g := range gateways(j.Network) {
			if has := map[bool]*bool{true: &has4, false: &has6}[g.Is4()]; !*has {
				i.Gateways, *has = append(i.Gateways, g), true
			}
		}
		if err := addLink(links, a, j, i); err != nil {
			return err
		}
	}
	return nil
}

// routed says which default routes the container has already, when it is connected while it runs.
func routed(a Attachment) (four, six bool, err error) {
	inner, err := link.Open(a.NetNS)
	if err != nil {
		return false, false, err
	}
	defer inner.Close()
	return inner.Reach()
}

func addLink(links *link.Links, a Attachment, j Joined, i link.Interface) error {
	x := j.Network
	if x.Driver == record.Bridge {
		return links.AddVeth(link.Veth{Host: j.Endpoint.Link, Group: group(x), Bridge: x.Bridge, Container: a.NetNS, Interface: i})
	}
	return links.AddSub(link.Sub{Driver: x.Driver, Mode: x.Options[x.Driver+"_mode"], Parent: x.Bridge, Container: a.NetNS, Interface: i})
}

func (n *Networks) interfaceOf(j Joined) link.Interface {
	i := link.Interface{Name: j.Endpoint.Interface, MAC: j.Endpoint.MAC, MTU: n.mtu(j.Network)}
	if p := j.Network.Pool4(); p != nil {
		i.Addrs = append(i.Addrs, netip.PrefixFrom(j.Endpoint.IPv4, p.Subnet.Bits()))
	}
	if p := j.Network.Pool6(); p != nil {
		i.Addrs = append(i.Addrs, netip.PrefixFrom(j.Endpoint.IPv6, p.Subnet.Bits()))
	}
	return i
}

// gateways are the network's ways out.
func gateways(x *record.Network) []netip.Addr {
	if x.Internal {
		return nil
	}
	var out []netip.Addr
	for _, p := range x.Pools {
		out = append(out, p.Gateway)
	}
	return out
}

// result sums up. host is the host's address when it is not the bridge's.
func result(joined []Joined, host netip.Addr) *Result {
	r := &Result{Joined: joined, Internal: true}
	for _, j := range joined {
		r.Internal = r.Internal && j.Network.Internal
		p := j.Network.Pool4()
		if p == nil {
			p = j.Network.Pool6()
		}
		if j.Network.Driver == record.Bridge && !j.Network.Internal && !r.HostGateway.IsValid() {
			r.HostGateway = first(host, p.Gateway)
		}
	}
	return r
}

package netns

import (
	"crypto/sha256"
	"fmt"
	"net/netip"

	"codeberg.org/hoy/hoy/netns/record"
)

// candidate is a block that pools are cut from, in the order that they are tried. They are not those of Docker (172.17 …) and
// of podman (10.88 …), whose bridges may come up later on the same host.
type candidate struct {
	block netip.Prefix
	bits  int // of each pool
}

var (
	defaultPools = []candidate{{netip.MustParsePrefix("10.87.0.0/16"), 16}}
	userPools    = []candidate{
		{netip.MustParsePrefix("10.86.0.0/16"), 24},
		{netip.MustParsePrefix("10.85.0.0/16"), 24},
		{netip.MustParsePrefix("172.16.0.0/12"), 16},
		{netip.MustParsePrefix("192.168.0.0/16"), 20},
	}
)

// freePool gives the first pool of the candidates that overlaps with none of used.
func freePool(from []candidate, used []netip.Prefix) (netip.Prefix, error) {
	for _, c := range from {
		for p := netip.PrefixFrom(c.block.Addr(), c.bits); c.block.Contains(p.Addr()); {
			if !overlaps(p, used) {
				return p, nil
			}
			next := last(p).Next()
			if !next.IsValid() {
				break
			}
			p = netip.PrefixFrom(next, c.bits)
		}
	}
	return netip.Prefix{}, refuse(ErrOverlap, "find a subnet: the host uses all of hoy's pools, give one with --subnet")
}

func overlaps(p netip.Prefix, used []netip.Prefix) bool {
	for _, u := range used {
		if u.Bits() > 0 && p.Overlaps(u) {
			return true
		}
	}
	return false
}

// uniqueLocal gives a network a /64 of its own in fd00::/8 (RFC 4193), from its id.
func uniqueLocal(id string) netip.Prefix {
	sum := sha256.Sum256([]byte(id))
	var a [16]byte
	a[0] = 0xfd
	copy(a[1:8], sum[:])
	return netip.PrefixFrom(netip.AddrFrom16(a), 64)
}

// newPool fills what the user left open in a pool, and refuses what cannot work.
func newPool(p record.Pool) (record.Pool, error) {
	p.Subnet = p.Subnet.Masked()
	if p.Subnet.Addr().BitLen()-p.Subnet.Bits() < 2 {
		return p, refuse(ErrAddress, "subnet %s has no room for a gateway and a container", p.Subnet)
	}
	if p.Range.IsValid() {
		p.Range = p.Range.Masked()
		if p.Range.Bits() < p.Subnet.Bits() || !p.Subnet.Contains(p.Range.Addr()) {
			return p, refuse(ErrAddress, "ip range %s is not within subnet %s", p.Range, p.Subnet)
		}
	}
	if !p.Gateway.IsValid() {
		p.Gateway = p.Subnet.Addr().Next()
	}
	if err := usable(&p, p.Gateway); err != nil {
		return p, fmt.Errorf("gateway %w", err)
	}
	for name, a := range p.Reserved {
		if !p.Subnet.Contains(a) {
			return p, refuse(ErrAddress, "auxiliary address %s=%s is not within subnet %s", name, a, p.Subnet)
		}
	}
	return p, nil
}

// usable says whether a host of the subnet may have the address: it is within, not its first and, for IPv4, not its last.
func usable(p *record.Pool, a netip.Addr) error {
	if !p.Subnet.Contains(a) {
		return refuse(ErrAddress, "%s is not within subnet %s", a, p.Subnet)
	}
	if a == p.Subnet.Addr() || a.Is4() && a == last(p.Subnet) {
		return refuse(ErrAddress, "%s is the first or last of subnet %s", a, p.Subnet)
	}
	return nil
}

// allocate gives out an address of the pool: want, or when that is invalid the lowest free one.
func allocate(p *record.Pool, want netip.Addr, taken map[netip.Addr]string) (netip.Addr, error) {
	if want.IsValid() {
		if err := usable(p, want); err != nil {
			return want, err
		}
		if who, is := taken[want]; is {
			return want, refuse(ErrAddress, "address %s is in use by %s", want, who)
		}
		return want, nil
	}
	within := p.Subnet
	if p.Range.IsValid() {
		within = p.Range
	}
	for a := within.Addr(); within.Contains(a); a = a.Next() {
		if _, is := taken[a]; !is && usable(p, a) == nil {
			return a, nil
		}
	}
	return want, fmt.Errorf("%w on %s", ErrNoAddress, within)
}

// takenOn maps each address of the network that may not be given out to who has it.
func takenOn(n *record.Network) map[netip.Addr]string {
	taken := map[netip.Addr]string{}
	for _, p := range n.Pools {
		taken[p.Gateway] = "the gateway"
		for name, a := range p.Reserved {
			taken[a] = "the auxiliary address " + name
		}
	}
	for _, e := range n.Endpoints {
		taken[e.IPv4], taken[e.IPv6] = e.Name, e.Name
	}
	return taken
}

// last is the highest address of a prefix.
func last(p netip.Prefix) netip.Addr {
	a := p.Masked().Addr()
	b := a.AsSlice()
	for i := p.Bits(); i < a.BitLen(); i++ {
		b[i/8] |= 1 << (7 - i%8)
	}
	out, _ := netip.AddrFromSlice(b)
	return out
}

// macOf gives the hardware address of an IPv4 address, as Docker did for years: neighbours never learn a stale one.
// Without an IPv4 address it comes from the last four bytes of the IPv6 one.
func macOf(a netip.Addr) string {
	b := a.AsSlice()
	b = b[len(b)-4:]
	return fmt.Sprintf("02:42:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3])
}

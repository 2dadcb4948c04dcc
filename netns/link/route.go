package link

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"codeberg.org/hoy/hoy/netns/space"
)

// Routes gives the subnets that the namespace has a way to, without default routes and the kernel's own tables. What is among
// them must not be given to a network.
func (l *Links) Routes() ([]netip.Prefix, error) {
	return l.routes(func(netlink.Route) bool { return true })
}

// Connected gives the subnets that the namespace's links are in themselves, but for those of the named link.
func (l *Links) Connected(except string) ([]netip.Prefix, error) {
	index := 0
	if link, err := l.h.LinkByName(except); err == nil {
		index = link.Attrs().Index
	}
	return l.routes(func(r netlink.Route) bool { return r.Gw == nil && len(r.MultiPath) == 0 && r.LinkIndex != index })
}

func (l *Links) routes(wanted func(netlink.Route) bool) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		routes, err := l.h.RouteList(nil, family)
		if err != nil {
			return nil, fmt.Errorf("list routes: %w", err)
		}
		for _, r := range routes {
			if p, ok := prefixOf(r); ok && wanted(r) && p.Bits() > 0 && !p.Addr().IsLinkLocalUnicast() && !p.Addr().IsMulticast() {
				out = append(out, p)
			}
		}
	}
	return out, nil
}

func prefixOf(r netlink.Route) (netip.Prefix, bool) {
	if r.Dst == nil {
		return netip.Prefix{}, false
	}
	a, ok := netip.AddrFromSlice(r.Dst.IP)
	bits, _ := r.Dst.Mask.Size()
	return netip.PrefixFrom(a.Unmap(), bits), ok
}

// Reach says by which families the namespace can reach other machines: whether it has a default route of each. An IPv6 default
// route that a router announced is not counted: forwarding would make the host deaf to the announcements, and take the route away.
func (l *Links) Reach() (four, six bool, err error) {
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		routes, err := l.h.RouteList(nil, family)
		if err != nil {
			return false, false, fmt.Errorf("list routes: %w", err)
		}
		for _, r := range routes {
			p, ok := prefixOf(r)
			switch {
			case ok && p.Bits() > 0:
			case family == netlink.FAMILY_V4:
				four = true
			case r.Protocol != unix.RTPROT_RA:
				six = true
			}
		}
	}
	return four, six, nil
}

// AcceptMarks has TCP connections that were begun with a mark bear it on what the other side answers too (ip-sysctl, tcp_fwmark_accept).
func (l *Links) AcceptMarks() error {
	return space.Do(l.ns, func() error { return writeSysctl("/proc/sys/net/ipv4/tcp_fwmark_accept", "1") })
}

// RouteMarked has packets with the mark delivered in the namespace itself, whatever their destination (ip rule fwmark): the
// replies to a socket that has a foreign address. The table bears the mark's number.
func (l *Links) RouteMarked(mark uint32) error {
	lo, err := l.h.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("find lo: %w", err)
	}
	for _, all := range []netip.Prefix{netip.PrefixFrom(netip.IPv4Unspecified(), 0), netip.PrefixFrom(netip.IPv6Unspecified(), 0)} {
		family := unix.AF_INET
		if all.Addr().Is6() {
			family = unix.AF_INET6
		}
		rule := netlink.NewRule()
		rule.Family, rule.Mark, rule.Table = family, mark, int(mark)
		err := l.h.RuleAdd(rule)
		if err == nil || errors.Is(err, unix.EEXIST) {
			err = l.h.RouteReplace(&netlink.Route{LinkIndex: lo.Attrs().Index, Dst: ipNet(all), Table: int(mark), Type: unix.RTN_LOCAL, Scope: unix.RT_SCOPE_HOST})
		}
		if err != nil && !errors.Is(err, unix.EAFNOSUPPORT) && !errors.Is(err, unix.EOPNOTSUPP) {
			return fmt.Errorf("route marked packets: %w", err)
		}
	}
	return nil
}

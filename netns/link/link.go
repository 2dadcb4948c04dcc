// Package link makes the links of networks: bridges, veth pairs, macvlan and ipvlan links, with their addresses and routes.
package link

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"codeberg.org/hoy/hoy/netns/space"
)

// ErrUnsupported says that the kernel has no links of a kind.
var ErrUnsupported = errors.New("the kernel has no such links")

var errNoIPv6 = errors.New("the host has no IPv6: it can have networks without it only")

// Links are the links of one network namespace. Close them after use.
type Links struct {
	ns *os.File // nil: the caller's own
	h  *netlink.Handle
}

// Open opens a namespace's links; a nil ns is the caller's own. ns must stay open as long as the Links are.
func Open(ns *os.File) (*Links, error) {
	l := &Links{ns: ns}
	err := space.Do(ns, func() (err error) {
		l.h, err = netlink.NewHandle(unix.NETLINK_ROUTE)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("open netlink: %w", err)
	}
	return l, nil
}

// Close closes the netlink socket.
func (l *Links) Close() { l.h.Close() }

// Interface is a link in a container: its addresses, its way out, and its kernel settings.
type Interface struct {
	Name     string
	MAC      string         // "" lets the kernel choose
	MTU      int            // 0: the kernel's
	Addrs    []netip.Prefix // with the subnet's length
	Gateways []netip.Addr   // default routes, at most one of each family
}

// configure gives a link of l its name, addresses and routes, and sets it up. The order is the kernel's: a name and a hardware
// address can be changed while the link is down, a route needs it up.
func (l *Links) configure(link netlink.Link, i Interface) error {
	if err := l.h.LinkSetName(link, i.Name); err != nil {
		return fmt.Errorf("name link %s: %w", i.Name, err)
	}
	if err := l.protect(i); err != nil {
		return err
	}
	for _, a := range i.Addrs {
		if err := l.addAddr(link, a); err != nil {
			return err
		}
	}
	if err := l.h.LinkSetUp(link); err != nil {
		return fmt.Errorf("set %s up: %w", i.Name, err)
	}
	for _, g := range i.Gateways {
		if err := l.AddDefault(i.Name, g); err != nil {
			return err
		}
	}
	return nil
}

func (l *Links) addAddr(link netlink.Link, a netip.Prefix) error {
	addr := &netlink.Addr{IPNet: ipNet(a)}
	if a.Addr().Is6() {
		addr.Flags = unix.IFA_F_NODAD // hoy gives an address out once: the second that detection takes would delay the start
	}
	err := l.h.AddrAdd(link, addr)
	if errors.Is(err, unix.EOPNOTSUPP) && a.Addr().Is6() {
		err = errNoIPv6
	}
	if err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("add address %s to %s: %w", a, link.Attrs().Name, err)
	}
	return nil
}

// AddDefault adds a default route through gateway by the named link.
func (l *Links) AddDefault(name string, gateway netip.Addr) error {
	link, err := l.h.LinkByName(name)
	if err != nil {
		return fmt.Errorf("find link %s: %w", name, err)
	}
	dst := netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	if gateway.Is6() {
		dst = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
	}
	route := &netlink.Route{LinkIndex: link.Attrs().Index, Dst: ipNet(dst), Gw: gateway.AsSlice()}
	if err := l.h.RouteReplace(route); err != nil {
		return fmt.Errorf("add route by %s through %s: %w", name, gateway, err)
	}
	return nil
}

// protect refuses router advertisements, by which a neighbour could turn the container's traffic to itself (CVE-2020-13401),
// and switches IPv6 off on a link that has no IPv6 address (CVE-2024-32473). It does without the detection of duplicate addresses,
// which keeps a new link from forwarding IPv6 for its first second. A kernel without IPv6 has no such files.
func (l *Links) protect(i Interface) error {
	six := false
	for _, a := range i.Addrs {
		six = six || a.Addr().Is6()
	}
	settings := map[string]string{"accept_ra": "0", "accept_dad": "0"}
	if six {
		settings["disable_ipv6"] = "0"
	} else {
		settings["disable_ipv6"] = "1"
	}
	return l.sysctls("ipv6", i.Name, settings)
}

// sysctls sets the kernel's settings of a link in l's namespace. Those that the kernel does not have are passed over, and all where /proc/sys is
// read-only: hoy is in a container itself there, whose neighbours are not the host's.
func (l *Links) sysctls(family, name string, settings map[string]string) error {
	return space.Do(l.ns, func() error {
		for key, value := range settings {
			err := writeSysctl(filepath.Join("/proc/sys/net", family, "conf", name, key), value)
			if err != nil && !errors.Is(err, os.ErrNotExist) && !errors.Is(err, unix.EROFS) {
				return err
			}
		}
		return nil
	})
}

// writeSysctl sets a kernel setting unless it has that value already: on a /proc that is read-only a right one is no error.
func writeSysctl(path, value string) error {
	old, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if string(old) == value+"\n" {
		return nil
	}
	return os.WriteFile(path, []byte(value), 0)
}

// EnableForwarding lets the namespace pass packets between its links, for IPv4, and for IPv6 when six is set.
func (l *Links) EnableForwarding(six bool) error {
	return space.Do(l.ns, func() error {
		if err := writeSysctl("/proc/sys/net/ipv4/ip_forward", "1"); err != nil {
			return fmt.Errorf("enable forwarding: %w", err)
		}
		if !six {
			return nil
		}
		if err := writeSysctl("/proc/sys/net/ipv6/conf/all/forwarding", "1"); err != nil {
			return fmt.Errorf("enable IPv6 forwarding: %w", err)
		}
		return nil
	})
}

// Remove removes a link. One that is not there is no error.
func (l *Links) Remove(name string) error {
	link, err := l.h.LinkByName(name)
	if isMissing(err) {
		return nil
	}
	if err == nil {
		err = l.h.LinkDel(link)
	}
	if err != nil && !errors.Is(err, unix.ENODEV) {
		return fmt.Errorf("remove link %s: %w", name, err)
	}
	return nil
}

// Exists says whether the namespace has a link of that name.
func (l *Links) Exists(name string) (bool, error) {
	_, err := l.h.LinkByName(name)
	if isMissing(err) {
		return false, nil
	}
	return err == nil, err
}

// Members gives the names of the links whose master is the named one, as a bridge's ports are.
func (l *Links) Members(master string) ([]string, error) {
	m, err := l.h.LinkByName(master)
	if isMissing(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	all, err := l.h.LinkList()
	if err != nil {
		return nil, fmt.Errorf("list links: %w", err)
	}
	var names []string
	for _, link := range all {
		if link.Attrs().MasterIndex == m.Attrs().Index {
			names = append(names, link.Attrs().Name)
		}
	}
	return names, nil
}

func isMissing(err error) bool {
	var missing netlink.LinkNotFoundError
	return errors.As(err, &missing)
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// nsOf is the namespace as a new link's attribute: the kernel makes the link there.
func nsOf(ns *os.File) netlink.NsFd { return netlink.NsFd(int(ns.Fd())) }

// byNumber names a link while it is moved, before it gets the name it keeps.
func byNumber(name string) string { return name + "." + strconv.Itoa(os.Getpid()%10000) }

package link

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"codeberg.org/hoy/hoy/netns/space"
)

// Bridge is a network's bridge in the host's namespace.
type Bridge struct {
	Name  string
	Addrs []netip.Prefix // the gateways', with the subnets' lengths
	MTU   int            // 0: 1500
	// Group is the number of the bridge's and its ports' group (ip link: group). RemoveBridge removes the whole group at once, for
	// each removal by itself waits some 10 ms for the kernel. 0: none.
	Group uint32
	// Mark is written on a bridge that EnsureBridge makes (ip link: alias), so that RemoveBridge leaves a bridge of the user's alone,
	// and RemoveMarked finds those that nobody knows of any more.
	Mark string
}

// EnsureBridge makes the bridge, or mends the one that is there, and says whether it is new.
func (l *Links) EnsureBridge(b Bridge) (made bool, err error) {
	attrs := netlink.NewLinkAttrs()
	attrs.Name = b.Name
	attrs.MTU, attrs.Group = b.MTU, b.Group
	if len(b.Addrs) > 0 { // a fixed address: without it the bridge takes on that of its lowest port, and changes with it
		attrs.HardwareAddr = bridgeMAC(b.Addrs[0].Addr())
	}
	err = l.h.LinkAdd(&netlink.Bridge{LinkAttrs: attrs})
	if err != nil && !errors.Is(err, unix.EEXIST) {
		return false, kind("bridge "+b.Name, err)
	}
	made = err == nil
	link, err := l.h.LinkByName(b.Name)
	if err == nil && link.Type() != "bridge" {
		err = errors.New("a link of that name is there and is no bridge")
	}
	if err != nil {
		return made, fmt.Errorf("make bridge %s: %w", b.Name, err)
	}
	if made = made || b.unmarked(link); made && b.Mark != "" {
		err = l.h.LinkSetAlias(link, b.Mark)
	}
	if err = errors.Join(err, l.prepare(link, b)); err != nil {
		if made {
			err = errors.Join(err, l.h.LinkDel(link))
		}
		return made, err
	}
	return made, nil
}

// RemoveBridge removes a bridge that EnsureBridge made. One that is not there, or bears another mark, is no error.
func (l *Links) RemoveBridge(b Bridge) error {
	link, err := l.h.LinkByName(b.Name)
	if isMissing(err) || err == nil && link.Attrs().Alias != b.Mark && !b.unmarked(link) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("find bridge %s: %w", b.Name, err)
	}
	if b.Group == 0 || link.Attrs().Group != b.Group {
		return l.Remove(b.Name)
	}
	return l.removeGroup(b.Group)
}

// unmarked says that link was made as this bridge by somebody who was killed before he had marked it. The group it has from the first.
func (b Bridge) unmarked(link netlink.Link) bool {
	a := link.Attrs()
	return a.Alias == "" && b.Group != 0 && a.Group == b.Group
}

// removeGroup removes the links of a group by one request (rtnetlink(7), RTM_DELLINK with IFLA_GROUP and no index).
func (l *Links) removeGroup(group uint32) error {
	return space.Do(l.ns, func() error {
		request := nl.NewNetlinkRequest(unix.RTM_DELLINK, unix.NLM_F_ACK)
		request.AddData(nl.NewIfInfomsg(unix.AF_UNSPEC))
		request.AddData(nl.NewRtAttr(unix.IFLA_GROUP, nl.Uint32Attr(group)))
		if _, err := request.Execute(unix.NETLINK_ROUTE, 0); err != nil && !errors.Is(err, unix.ENODEV) {
			return fmt.Errorf("remove the links of group %d: %w", group, err)
		}
		return nil
	})
}

// RemoveMarked removes the links whose mark begins so, and their groups, but for those that keep is true for.
func (l *Links) RemoveMarked(prefix string, keep func(name string) bool) error {
	all, err := l.h.LinkList()
	if err != nil {
		return fmt.Errorf("list links: %w", err)
	}
	kept := map[uint32]bool{} // groups of links that stay
	for _, link := range all {
		a := link.Attrs()
		switch {
		case !strings.HasPrefix(a.Alias, prefix):
		case keep(a.Name):
			kept[a.Group] = a.Group != 0
		case a.Group != 0:
			err = errors.Join(err, l.removeGroup(a.Group))
		default:
			err = errors.Join(err, l.Remove(a.Name))
		}
	}
	for _, link := range all {
		if a := link.Attrs(); kept[a.Group] && !keep(a.Name) {
			err = errors.Join(err, l.Remove(a.Name))
		}
	}
	return err
}

func (l *Links) prepare(link netlink.Link, b Bridge) error {
	if err := l.protect(Interface{Name: b.Name, Addrs: b.Addrs}); err != nil {
		return fmt.Errorf("set up bridge %s: %w", b.Name, err)
	}
	for _, a := range b.Addrs {
		if err := l.addAddr(link, a); err != nil {
			return err
		}
	}
	if err := l.h.LinkSetUp(link); err != nil {
		return fmt.Errorf("set %s up: %w", b.Name, err)
	}
	return nil
}

// bridgeMAC gives a bridge a hardware address from its gateway address.
func bridgeMAC(a netip.Addr) net.HardwareAddr {
	b := a.AsSlice()
	return append(net.HardwareAddr{0x02, 0x42}, b[len(b)-4:]...)
}

// Veth is a pair of links: one end on a bridge of the host's namespace, the other in a container's.
type Veth struct {
	Host      string // the name of the host's end
	Group     uint32 // the bridge's
	Bridge    string
	Container *os.File // the container's namespace
	Interface Interface
}

// AddVeth makes the pair, both ends up. On failure nothing is left.
func (l *Links) AddVeth(v Veth) (err error) {
	master, err := l.h.LinkByName(v.Bridge)
	if err != nil {
		return fmt.Errorf("find bridge %s: %w", v.Bridge, err)
	}
	mac, err := parseMAC(v.Interface.MAC)
	if err != nil {
		return err
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU, attrs.MasterIndex, attrs.Group = v.Host, v.Interface.MTU, master.Attrs().Index, v.Group
	pair := &netlink.Veth{LinkAttrs: attrs, PeerName: byNumber("p"), PeerHardwareAddr: mac, PeerNamespace: nsOf(v.Container)}
	if err := l.h.LinkAdd(pair); err != nil {
		return kind("veth "+v.Host, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.Remove(v.Host))
		}
	}()
	inner, err := Open(v.Container)
	if err != nil {
		return err
	}
	defer inner.Close()
	if err := inner.configureNamed(pair.PeerName, v.Interface); err != nil {
		return err
	}
	if err := l.raiseHost(v.Host); err != nil {
		return err
	}
	return l.settle(inner, v.Interface.Name, v.Host, v.Bridge)
}

// settle has the kernel act at once on links being up: the container's, then the host's, a bridge after its port. It would do so up
// to a second later, and until then drop what is sent; asking for a link does it (rtnl_getlink in net/core/rtnetlink.c,
// linkwatch_sync_dev).
func (l *Links) settle(inner *Links, name string, hosts ...string) error {
	if _, err := inner.h.LinkByName(name); err != nil {
		return fmt.Errorf("find link %s in the container: %w", name, err)
	}
	for _, host := range hosts {
		if _, err := l.h.LinkByName(host); err != nil {
			return fmt.Errorf("find link %s: %w", host, err)
		}
	}
	return nil
}

// raiseHost sets the host's end up. It lets the bridge send a packet back to where it came from, which a container needs that
// reaches itself by a published port, and it has no IPv6 address that a container could talk to.
func (l *Links) raiseHost(name string) error {
	link, err := l.h.LinkByName(name)
	if err != nil {
		return fmt.Errorf("find link %s: %w", name, err)
	}
	if err := l.sysctls("ipv6", name, map[string]string{"disable_ipv6": "1"}); err != nil {
		return err
	}
	if err := l.h.LinkSetHairpin(link, true); err != nil {
		return fmt.Errorf("set hairpin of %s: %w", name, err)
	}
	if err := l.h.LinkSetUp(link); err != nil {
		return fmt.Errorf("set %s up: %w", name, err)
	}
	return nil
}

// configureIn configures the link of that name in another namespace.
func (l *Links) configureIn(ns *os.File, name string, i Interface) error {
	inner, err := Open(ns)
	if err != nil {
		return err
	}
	defer inner.Close()
	return inner.configureNamed(name, i)
}

// configureNamed configures the link of that name.
func (l *Links) configureNamed(name string, i Interface) error {
	link, err := l.h.LinkByName(name)
	if err != nil {
		return fmt.Errorf("find link %s in the container: %w", name, err)
	}
	return l.configure(link, i)
}

func parseMAC(s string) (net.HardwareAddr, error) {
	if s == "" {
		return nil, nil
	}
	return net.ParseMAC(s)
}

// kind tells "the kernel does not have this" from other failures to make a link.
func kind(what string, err error) error {
	if errors.Is(err, unix.EOPNOTSUPP) {
		err = ErrUnsupported
	}
	return fmt.Errorf("make %s: %w", what, err)
}

package link

import (
	"errors"
	"fmt"
	"os"

	"github.com/vishvananda/netlink"
)

// The modes of macvlan and ipvlan links, as Docker's drivers spell them (-o macvlan_mode=, -o ipvlan_mode=).
var (
	macvlanModes = map[string]netlink.MacvlanMode{
		"": netlink.MACVLAN_MODE_BRIDGE, "bridge": netlink.MACVLAN_MODE_BRIDGE, "private": netlink.MACVLAN_MODE_PRIVATE,
		"vepa": netlink.MACVLAN_MODE_VEPA, "passthru": netlink.MACVLAN_MODE_PASSTHRU,
	}
	ipvlanModes = map[string]netlink.IPVlanMode{
		"": netlink.IPVLAN_MODE_L2, "l2": netlink.IPVLAN_MODE_L2, "l3": netlink.IPVLAN_MODE_L3, "l3s": netlink.IPVLAN_MODE_L3S,
	}
)

// Sub is a link in a container that shares a link of the host.
type Sub struct {
	Driver    string // "macvlan", "ipvlan"
	Mode      string // "" is the driver's default
	Parent    string
	Container *os.File
	Interface Interface
}

// CheckMode refuses a mode that the driver does not have.
func CheckMode(driver, mode string) error {
	_, mac := macvlanModes[mode]
	_, ip := ipvlanModes[mode]
	if driver == "macvlan" && mac || driver == "ipvlan" && ip {
		return nil
	}
	return fmt.Errorf("unknown %s mode %q", driver, mode)
}

// AddSub makes a macvlan or ipvlan link in the container. It goes with the container's namespace. On failure nothing is left.
func (l *Links) AddSub(s Sub) (err error) {
	parent, err := l.h.LinkByName(s.Parent)
	if err != nil {
		return fmt.Errorf("find the parent link %s: %w", s.Parent, err)
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.ParentIndex, attrs.MTU, attrs.Namespace = byNumber("p"), parent.Attrs().Index, s.Interface.MTU, nsOf(s.Container)
	if attrs.HardwareAddr, err = parseMAC(s.Interface.MAC); err != nil {
		return err
	}
	if err := l.h.LinkAdd(subLink(s, attrs)); err != nil {
		return kind(s.Driver+" link on "+s.Parent, err)
	}
	if err := l.configureIn(s.Container, attrs.Name, s.Interface); err != nil {
		return errors.Join(err, l.removeIn(s.Container, attrs.Name, s.Interface.Name))
	}
	return nil
}

func subLink(s Sub, attrs netlink.LinkAttrs) netlink.Link {
	if s.Driver == "ipvlan" {
		attrs.HardwareAddr = nil // an ipvlan link has its parent's
		return &netlink.IPVlan{LinkAttrs: attrs, Mode: ipvlanModes[s.Mode]}
	}
	return &netlink.Macvlan{LinkAttrs: attrs, Mode: macvlanModes[s.Mode]}
}

// removeIn removes the links of these names from another namespace.
func (l *Links) removeIn(ns *os.File, names ...string) error {
	inner, err := Open(ns)
	if err != nil {
		return err
	}
	defer inner.Close()
	for _, name := range names {
		if err := inner.Remove(name); err != nil {
			return err
		}
	}
	return nil
}

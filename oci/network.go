package oci

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
)

// Network is one network that a container is to be on: `--network NAME` with what else is said of it.
type Network struct {
	Name    string     `json:"name"` // or id; "bridge" is the default network
	Aliases []string   `json:"aliases,omitempty"`
	IPv4    netip.Addr `json:"ipv4,omitzero"`
	IPv6    netip.Addr `json:"ipv6,omitzero"`
	MAC     string     `json:"mac,omitempty"`
}

// NetworkMode is the kind of network that a container has.
type NetworkMode int

// The kinds of network.
const (
	NetworkBridge    NetworkMode = iota // one or several of hoy's networks
	NetworkNone                         // a namespace with a loopback link
	NetworkHost                         // the host's
	NetworkContainer                    // that of another container: "container:REF"
	NetworkPath                         // that of a file: "ns:PATH"
)

// NoDNS, as a name server, leaves the image's own /etc/resolv.conf in its place.
const NoDNS = "none"

// DefaultNetwork is the network of a container that names none. It may be called "default" too.
const DefaultNetwork = "bridge"

// NetworkMode gives the kind of network, and the REF or PATH of the last two kinds.
func (c *Config) NetworkMode() (NetworkMode, string) {
	kind, value, _ := strings.Cut(c.Network, ":")
	switch {
	case c.Network == "none":
		return NetworkNone, ""
	case c.Network == "host":
		return NetworkHost, ""
	case kind == "container":
		return NetworkContainer, value
	case kind == "ns":
		return NetworkPath, value
	}
	return NetworkBridge, ""
}

// checkNetwork refuses what cannot go together: moby's messages.
func (c *Config) checkNetwork() error {
	mode, value := c.NetworkMode()
	if c.NoHosts && len(c.ExtraHosts) > 0 {
		return errors.New("conflicting options: --no-hosts and --add-host")
	}
	if mode == NetworkBridge {
		return c.checkNetworks()
	}
	if len(c.Networks) > 1 {
		return errors.New("conflicting options: cannot attach both user-defined and non-user-defined network-modes")
	}
	for _, n := range c.Networks {
		if n.IPv4.IsValid() || n.IPv6.IsValid() || len(n.Aliases) > 0 || n.MAC != "" {
			return fmt.Errorf("conflicting options: an address or an alias, and the network mode %s", c.Network)
		}
	}
	if (mode == NetworkContainer || mode == NetworkPath) && value == "" {
		return fmt.Errorf("invalid network mode %q", c.Network)
	}
	if mode == NetworkContainer || mode == NetworkHost {
		if len(c.Links) > 0 {
			return errors.New("conflicting options: links and the network mode " + c.Network)
		}
	}
	if mode == NetworkContainer {
		switch {
		case c.Hostname+c.Domainname != "":
			return errors.New("conflicting options: hostname and the network mode")
		case len(c.Publish) > 0 || c.PublishAll:
			return errors.New("conflicting options: port publishing and the container type network mode")
		case len(c.ExtraHosts) > 0:
			return errors.New("conflicting options: custom host-to-IP mapping and the network mode")
		case len(c.Dns) > 0:
			return errors.New("conflicting options: dns and the network mode")
		}
	}
	return nil
}

func (c *Config) checkNetworks() error {
	seen := map[string]bool{}
	for _, n := range c.Networks {
		if strings.ContainsAny(n.Name, "/:") {
			return fmt.Errorf("invalid network name %q", n.Name)
		}
		if seen[n.Name] {
			return fmt.Errorf("network %q is specified multiple times", n.Name)
		}
		seen[n.Name] = true
		if n.IPv4.IsValid() && !n.IPv4.Is4() {
			return fmt.Errorf("invalid IPv4 address: %s", n.IPv4)
		}
		if n.IPv6.IsValid() && !n.IPv6.Is6() {
			return fmt.Errorf("invalid IPv6 address: %s", n.IPv6)
		}
		if mac, err := net.ParseMAC(n.MAC); n.MAC != "" && (err != nil || len(mac) != 6) {
			return fmt.Errorf("%s is not a valid mac address", n.MAC)
		}
		if (n.Name == DefaultNetwork || n.Name == "default") && len(n.Aliases) > 0 {
			return errors.New("network-scoped aliases are only supported for user-defined networks")
		}
	}
	return nil
}

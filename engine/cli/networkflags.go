package cli

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"codeberg.org/hoy/hoy/engine/cli/flags"
	"codeberg.org/hoy/hoy/netns"
	"codeberg.org/hoy/hoy/oci"
)

// networkOptions are the flags of a container's networks that only together make its list of them.
type networkOptions struct {
	networks  []oci.Network // of --network
	first     oci.Network   // what the flags beside it say of the first one
	published []string
}

func (o *containerOptions) networkFlags() []*flags.Flag {
	c, n := &o.cfg, &o.network
	return []*flags.Flag{
		flags.Func(appendParsed(&c.ExtraHosts, parseExtraHost), "add-host", "Add a custom host-to-IP mapping (host:ip)"),
		flags.Func(appendParsed(&c.Dns, parseDns), "dns", "Set custom DNS servers"),
		flags.List(&c.DnsOptions, "dns-option,dns-opt", "Set DNS options"),
		flags.List(&c.DnsSearch, "dns-search", "Set custom DNS search domains"),
		flags.String(&c.Domainname, "domainname", "Container NIS domain name"),
		flags.List(&o.exposed, "expose", "Expose a port or a range of ports"),
		flags.String(&c.Hostname, "hostname,h", "Container host name"),
		flags.Func(setAddress(&n.first.IPv4), "ip", "IPv4 address (e.g., 172.30.100.104)").As("ip"),
		flags.Func(setAddress(&n.first.IPv6), "ip6", "IPv6 address (e.g., 2001:db8::33)").As("ip"),
		flags.List(&c.Links, "link", "Add link to another container"),
		flags.String(&n.first.MAC, "mac-address", "Container MAC address (e.g., 92:d0:c6:0a:29:33)"),
		flags.Func(appendParsed(&n.networks, parseNetwork), "network,net", "Connect a container to a network").As("network").From("network"),
		flags.List(&n.first.Aliases, "network-alias,net-alias", "Add network-scoped alias for the container"),
		flags.Bool(&c.NoHosts, "no-hosts", "Do not make /etc/hosts: the container has the image's own"),
		flags.Func(keep(&n.published, checkPublish), "publish,p", "Publish a container's port(s) to the host"),
		flags.Bool(&c.PublishAll, "publish-all,P", "Publish all exposed ports to random ports"),
	}
}

// config puts the networks and the published ports into c.
func (n *networkOptions) config(c *oci.Config) error {
	for _, p := range n.published {
		ports, err := netns.ParsePublish(p)
		if err != nil {
			return err
		}
		c.Publish = append(c.Publish, ports...)
		for _, port := range ports {
			if name := fmt.Sprintf("%d/%s", port.Port, port.Protocol); !slices.Contains(c.Ports, name) {
				c.Ports = append(c.Ports, name)
			}
		}
	}
	if n.first.IPv4.IsValid() || n.first.IPv6.IsValid() || n.first.MAC != "" || len(n.first.Aliases) > 0 {
		if err := n.describeFirst(); err != nil {
			return err
		}
	}
	if len(n.networks) == 0 {
		return nil
	}
	if name := n.networks[0].Name; name != oci.DefaultNetwork {
		c.Network = name
	}
	if mode, _ := c.NetworkMode(); len(n.networks) > 1 || mode == oci.NetworkBridge && (c.Network != "" || described(n.networks[0])) || mode != oci.NetworkBridge && described(n.networks[0]) {
		c.Networks = n.networks
	}
	return nil
}

// warnPorts says of a container without a network of hoy's that its ports are not published. Source: moby, daemon/create.go.
func (s *session) warnPorts(c *oci.Config) {
	mode, _ := c.NetworkMode()
	if mode == oci.NetworkBridge || len(c.Publish) == 0 && !c.PublishAll {
		return
	}
	name, _, _ := strings.Cut(c.Network, ":")
	fmt.Fprintf(s.Err, "WARNING: Published ports are discarded when using %s network mode\n", name)
}

func described(n oci.Network) bool {
	return len(n.Aliases) > 0 || n.IPv4.IsValid() || n.IPv6.IsValid() || n.MAC != ""
}

// describeFirst gives the first network what was said without naming one. Source: docker/cli, opts parseNetworkOpts.
func (n *networkOptions) describeFirst() error {
	if len(n.networks) == 0 {
		n.networks = []oci.Network{{Name: oci.DefaultNetwork}}
	}
	to, from := &n.networks[0], n.first
	switch {
	case len(to.Aliases) > 0 && len(from.Aliases) > 0:
		return errors.New("conflicting options: cannot specify both --network-alias and per-network alias")
	case to.IPv4.IsValid() && from.IPv4.IsValid():
		return errors.New("conflicting options: cannot specify both --ip and per-network IPv4 address")
	case to.IPv6.IsValid() && from.IPv6.IsValid():
		return errors.New("conflicting options: cannot specify both --ip6 and per-network IPv6 address")
	case to.MAC != "" && from.MAC != "":
		return errors.New("conflicting options: cannot specify both --mac-address and per-network MAC address")
	}
	to.Aliases = append(to.Aliases, from.Aliases...)
	if from.IPv4.IsValid() {
		to.IPv4 = from.IPv4
	}
	if from.IPv6.IsValid() {
		to.IPv6 = from.IPv6
	}
	if from.MAC != "" {
		to.MAC = from.MAC
	}
	return nil
}

// parseNetwork reads one --network: a name, or name=NAME,alias=…,ip=…,ip6=…,mac-address=….
func parseNetwork(s string) (oci.Network, error) {
	if !strings.Contains(s, "=") || strings.HasPrefix(s, "container:") || strings.HasPrefix(s, "ns:") {
		return oci.Network{Name: canonicalNetwork(s)}, nil
	}
	if kind, _, _ := strings.Cut(s, ":"); kind == "pasta" || kind == "slirp4netns" {
		return oci.Network{Name: canonicalNetwork(s)}, nil
	}
	var n oci.Network
	for _, field := range strings.Split(s, ",") {
		key, value, ok := strings.Cut(field, "=")
		if !ok || value == "" {
			return n, fmt.Errorf("invalid field %s", field)
		}
		var err error
		switch strings.ToLower(strings.TrimSpace(key)) {
		case "name":
			n.Name = canonicalNetwork(value)
		case "alias":
			n.Aliases = append(n.Aliases, value)
		case "ip":
			err = setAddress(&n.IPv4)(value)
		case "ip6":
			err = setAddress(&n.IPv6)(value)
		case "mac-address":
			n.MAC = value
		default:
			err = fmt.Errorf("invalid field key %s", key)
		}
		if err != nil {
			return n, err
		}
	}
	if n.Name == "" {
		return n, errors.New("network name/id is not specified")
	}
	return n, nil
}

// canonicalNetwork is the one name of a network that has several. podman's names of programs for the way out mean hoy's own.
func canonicalNetwork(s string) string {
	switch kind, _, _ := strings.Cut(s, ":"); kind {
	case "default", "bridge", "pasta", "slirp4netns", "private":
		return oci.DefaultNetwork
	}
	return s
}

func setAddress(to *netip.Addr) func(string) error {
	return func(s string) error {
		a, err := netip.ParseAddr(s)
		if err != nil {
			return fmt.Errorf("invalid IP address: %s", s)
		}
		*to = a.Unmap()
		return nil
	}
}

func checkPublish(s string) error {
	_, err := netns.ParsePublish(s)
	return err
}

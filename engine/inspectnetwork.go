package engine

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"time"

	"codeberg.org/hoy/hoy/engine/event"
	"codeberg.org/hoy/hoy/engine/monitor"
	"codeberg.org/hoy/hoy/engine/serve"
	"codeberg.org/hoy/hoy/netns"
	nets "codeberg.org/hoy/hoy/netns/record"
	"codeberg.org/hoy/hoy/oci"
)

// Networks calls f with the networks of this root, as they can be had now: for a user, when none of whose containers is on one, the definitions alone.
func (e *Engine) Networks(f func(*netns.Networks) error) error { return e.networks(f) }

// served is what the container's monitor serves of a network; nil for a container that does not run or has no network of its own.
func (c *Container) served() *serve.Network {
	if mode, _ := c.Config.NetworkMode(); mode != oci.NetworkBridge || !c.Running() {
		return nil
	}
	n, err := serve.Read(c.place)
	if err != nil {
		return nil // it has ended meanwhile
	}
	return n
}

// Ports gives the published ports of a running container: HostPort is the one taken.
func (e *Engine) Ports(c *Container) []nets.Port {
	if len(c.Config.Publish) == 0 && !c.Config.PublishAll {
		return nil
	}
	if n := c.served(); n != nil {
		return n.Ports
	}
	return nil
}

// networkSettings is what `inspect` shows of a container's networks.
func (e *Engine) networkSettings(c *Container) NetworkSettings {
	s := NetworkSettings{Ports: map[string][]PortBinding{}, Networks: map[string]*EndpointSettings{}}
	mode, _ := c.Config.NetworkMode()
	served := c.served()
	switch {
	case mode == oci.NetworkNone || mode == oci.NetworkHost:
		s.Networks[c.Config.Network] = &EndpointSettings{}
		return s
	case mode != oci.NetworkBridge:
		return s
	case served == nil:
		for _, w := range wants(&c.Config) {
			s.Networks[w.Network] = &EndpointSettings{Aliases: w.Aliases}
		}
		return s
	}
	s.SandboxKey = "/proc/" + strconv.Itoa(c.State.Pid) + "/ns/net"
	for _, p := range c.Config.Ports {
		s.Ports[p] = nil
	}
	for name, bindings := range bindings(served.Ports) {
		s.Ports[name] = bindings
	}
	if served.Endpoint != nil {
		s.Networks[oci.DefaultNetwork] = aloneSettings(served)
	} else {
		e.endpointSettings(c, s.Networks)
	}
	s.first(&c.Config)
	return s
}

// first repeats the default network's address above the list of networks, as Docker does for the tools that look there.
func (s *NetworkSettings) first(cfg *oci.Config) {
	if n := s.Networks[oci.DefaultNetwork]; n != nil {
		s.EndpointID, s.Gateway, s.IPAddress, s.IPPrefixLen, s.MacAddress = n.EndpointID, n.Gateway, n.IPAddress, n.IPPrefixLen, n.MacAddress
		s.IPv6Gateway, s.GlobalIPv6Address, s.GlobalIPv6PrefixLen = n.IPv6Gateway, n.GlobalIPv6Address, n.GlobalIPv6PrefixLen
	}
}

// bindings are ports as Docker shows them: one without a host address is on all of both families.
func bindings(ports []nets.Port) map[string][]PortBinding {
	out := map[string][]PortBinding{}
	for _, p := range ports {
		name := fmt.Sprintf("%d/%s", p.Port, p.Protocol)
		host := ""
		if p.HostPort != 0 {
			host = strconv.Itoa(int(p.HostPort))
		}
		for _, a := range hostAddresses(p) {
			out[name] = append(out[name], PortBinding{a, host})
		}
	}
	return out
}

func hostAddresses(p nets.Port) []string {
	if p.HostIP.IsValid() {
		return []string{p.HostIP.String()}
	}
	return []string{"0.0.0.0", "::"}
}

// asked are the ports of -p as they were asked for.
func asked(ports []nets.Port) map[string][]PortBinding {
	out := map[string][]PortBinding{}
	for _, p := range ports {
		b := PortBinding{}
		if p.HostIP.IsValid() {
			b.HostIp = p.HostIP.String()
		}
		if p.HostPort != 0 {
			b.HostPort = strconv.Itoa(int(p.HostPort))
			if p.HostEnd > p.HostPort {
				b.HostPort += "-" + strconv.Itoa(int(p.HostEnd))
			}
		}
		name := fmt.Sprintf("%d/%s", p.Port, p.Protocol)
		out[name] = append(out[name], b)
	}
	return out
}

func aloneSettings(n *serve.Network) *EndpointSettings {
	return &EndpointSettings{
		Gateway: n.Gateway4.String(), IPAddress: n.IPv4.String(), IPPrefixLen: n.Uplink.Bits4,
		IPv6Gateway: n.Gateway6.String(), GlobalIPv6Address: n.IPv6.String(), GlobalIPv6PrefixLen: n.Uplink.Bits6,
		MacAddress: n.Endpoint.MAC,
	}
}

// endpointSettings adds the container's endpoints on the networks.
func (e *Engine) endpointSettings(c *Container, to map[string]*EndpointSettings) {
	e.networks(func(all *netns.Networks) error { // a file that cannot be read shows in `network inspect`
		list, err := all.List()
		for _, x := range list {
			if end := x.Endpoints[c.ID()]; end != nil {
				to[x.Name] = settingsOf(x, end)
			}
		}
		return err
	})
}

func settingsOf(x *nets.Network, end *nets.Endpoint) *EndpointSettings {
	s := &EndpointSettings{NetworkID: x.ID, EndpointID: end.ID, MacAddress: end.MAC, Aliases: end.Aliases}
	if x.Name != nets.Default {
		s.DNSNames = append([]string{end.Name, end.Container[:12]}, end.Aliases...)
	}
	if p := x.Pool4(); p != nil {
		s.IPAddress, s.IPPrefixLen, s.Gateway = end.IPv4.String(), p.Subnet.Bits(), gatewayOf(x, p)
	}
	if p := x.Pool6(); p != nil {
		s.GlobalIPv6Address, s.GlobalIPv6PrefixLen, s.IPv6Gateway = end.IPv6.String(), p.Subnet.Bits(), gatewayOf(x, p)
	}
	return s
}

func gatewayOf(x *nets.Network, p *nets.Pool) string {
	if x.Internal || p.Gateway == (netip.Addr{}) {
		return ""
	}
	return p.Gateway.String()
}

// NetworkNames are the networks that a container is on, or would be if it ran.
func (c *Container) NetworkNames() []string {
	if mode, _ := c.Config.NetworkMode(); mode != oci.NetworkBridge {
		return []string{c.Config.Network}
	}
	var out []string
	for _, w := range wants(&c.Config) {
		out = append(out, w.Network)
	}
	slices.Sort(out)
	return out
}

// errHostNetwork is Docker's.
var errHostNetwork = errors.New("container cannot be disconnected from host network or connected to host network")

// Connect puts a container on a further network: now when it runs, and at every start. Errors: netns.ErrNoNetwork, netns.ErrConnected and others of netns.
func (e *Engine) Connect(c *Container, w oci.Network, links []string) error {
	if err := c.usable(); err != nil {
		return err
	}
	mode, _ := c.Config.NetworkMode()
	if w.Name == "host" || mode == oci.NetworkHost {
		return errHostNetwork
	}
	if w.Name == "none" {
		return errors.New("container cannot be connected to multiple networks with one of the networks in private (none) mode")
	}
	if mode != oci.NetworkBridge && mode != oci.NetworkNone {
		return fmt.Errorf("cannot connect container %s to a network: it has the network of another (%s)", c.Name(), c.Config.Network)
	}
	if err := e.networks(func(all *netns.Networks) error { _, err := all.Find(w.Name); return err }); err != nil {
		return err
	}
	if slices.ContainsFunc(c.Config.Networks, func(n oci.Network) bool { return n.Name == w.Name }) {
		return fmt.Errorf("container %s is already connected to network %s%w", c.Name(), w.Name, hidden{netns.ErrConnected})
	}
	if c.Running() {
		if err := e.connectNow(c, w, links); err != nil {
			return err
		}
	}
	return e.changeNetworks(c, func(cfg *oci.Config) {
		if mode == oci.NetworkBridge && len(cfg.Networks) == 0 {
			cfg.Networks = []oci.Network{{Name: oci.DefaultNetwork}}
		}
		cfg.Networks = append(cfg.Networks, w)
		cfg.Network = cfg.Networks[0].Name
		cfg.Links = append(cfg.Links, links...)
	})
}

func (e *Engine) connectNow(c *Container, w oci.Network, links []string) error {
	if err := e.reachContainer(c); err != nil {
		return err
	}
	ns, err := os.Open("/proc/" + strconv.Itoa(c.State.Pid) + "/ns/net")
	if err != nil {
		return err
	}
	defer ns.Close()
	next := *c
	next.Config.Links = links
	aliases, err := e.links(&next)
	if err != nil {
		return err
	}
	want := netns.Want{Network: w.Name, Aliases: w.Aliases, IPv4: w.IPv4, IPv6: w.IPv6, MAC: w.MAC}
	a := netns.Attachment{Container: c.ID(), Name: c.Name(), Hostname: hostname(c), NetNS: ns, Networks: []netns.Want{want}, Links: aliases}
	if n := c.served(); n != nil && n.Endpoint != nil { // a link to a user-mode stack, of which the networks know nothing
		a.Taken = n.Endpoint.Interface
	}
	got, err := e.networksOf(e.hub).Attach(a)
	if err != nil {
		return err
	}
	e.keepHub(c)
	for _, j := range got.Joined {
		event.Write(e.o.Root, networkEvent("connect", j.Network, c.ID()))
	}
	return nil
}

// keepHub has the container's monitor keep the namespace of the user's networks too. Where that fails the container is connected all the same; what
// it loses is that this outlives a killed holder.
func (e *Engine) keepHub(c *Container) {
	if e.hub == nil {
		return
	}
	client, err := monitor.Dial(c.place, 0, monitor.Size{})
	if err != nil {
		return
	}
	defer client.Close()
	client.SetDeadline(time.Now().Add(time.Second))
	client.Keep("/proc/" + strconv.Itoa(os.Getpid()) + "/fd/" + strconv.Itoa(int(e.hub.NS.Fd())))
}

// Disconnect takes a container off a network, now and for later starts. Errors: netns.ErrNoNetwork, netns.ErrNotOn.
func (e *Engine) Disconnect(c *Container, network string) error {
	if err := c.usable(); err != nil {
		return err
	}
	if network == "host" {
		return errHostNetwork
	}
	name := network
	err := e.networks(func(all *netns.Networks) error {
		x, err := all.Find(network)
		if err != nil {
			return err
		}
		name = x.Name
		if !slices.Contains(c.NetworkNames(), name) && !slices.Contains(c.NetworkNames(), network) {
			return fmt.Errorf("container %s is not connected to network %s%w", c.Name(), name, hidden{netns.ErrNotOn})
		}
		if !c.Running() {
			return nil
		}
		if err := all.Disconnect(c.ID(), name); err != nil {
			return err
		}
		event.Write(e.o.Root, networkEvent("disconnect", x, c.ID()))
		return nil
	})
	if err != nil {
		return err
	}
	return e.changeNetworks(c, func(cfg *oci.Config) {
		cfg.Networks = slices.DeleteFunc(slices.Clone(cfg.Networks), func(n oci.Network) bool { return n.Name == name || n.Name == network })
		if cfg.Network = "none"; len(cfg.Networks) > 0 {
			cfg.Network = cfg.Networks[0].Name
		}
	})
}

// changeNetworks changes the container's record.
func (e *Engine) changeNetworks(c *Container, change func(*oci.Config)) error {
	unlock, err := lockDir(c.place.Dir())
	if err != nil {
		return err
	}
	defer unlock()
	r, err := readRecord(c.place)
	if err != nil {
		return err
	}
	change(&r.Config)
	return writeRecord(c.place, r)
}

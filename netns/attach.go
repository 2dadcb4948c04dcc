package netns

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"

	"codeberg.org/hoy/hoy/netns/link"
	"codeberg.org/hoy/hoy/netns/nft"
	"codeberg.org/hoy/hoy/netns/publish"
	"codeberg.org/hoy/hoy/netns/record"
	"codeberg.org/hoy/hoy/netns/zone"
)

// Want is one --network of a container, or one `network connect`.
type Want struct {
	Network   string   // name, id, or unique beginning of an id
	Aliases   []string // further names for DNS
	IPv4      netip.Addr
	IPv6      netip.Addr
	MAC       string // "" is made from the address
	Interface string // "" is the next free of eth0, eth1 …
}

// Attachment is a container and the networks it is to be on.
type Attachment struct {
	Container string   // id
	Name      string   // for DNS and `network inspect`
	Hostname  string   // for /etc/hosts; "" leaves the container out of it
	NetNS     *os.File // package space makes it; stays the caller's to close
	Networks  []Want   // the first one with a way out gives the default route
	// Ports are bound: package publish has reserved them, so HostPort is the port taken.
	Ports []record.Port
	// Taken is a link that the container has besides: its name is not to be given to another.
	Taken string
	// Links are the names that this container alone has for others: alias to container id.
	Links map[string]string
}

// Joined is one network that a container was put on.
type Joined struct {
	Network  *record.Network
	Endpoint *record.Endpoint
}

// Result says what a container got.
type Result struct {
	Joined []Joined // in the order of Attachment.Networks
	// HostGateway is the host as the container sees it: host.docker.internal and host-gateway. Invalid when it sees none.
	HostGateway netip.Addr
	// Internal says that no network has a way out: names are not to be asked of the host's resolvers.
	Internal bool
}

// Attach puts a container on networks: addresses, links, routes, rules. On failure it is on none of them, and nothing is left.
// Options.Alive must be true for the container from before the call. Errors: ErrNoNetwork, ErrConnected, ErrAddress,
// ErrNoAddress, link.ErrUnsupported, nft.ErrUnsupported.
func (n *Networks) Attach(a Attachment) (*Result, error) {
	if n.o.FilesOnly {
		return nil, ErrFilesOnly
	}
	var joined []Joined
	err := n.withLock(func() (err error) {
		joined, err = n.register(a)
		return err
	})
	if err != nil {
		return nil, err
	}
	zoned := n.zone(joined)
	err = n.wire(a, joined)
	<-zoned
	if err != nil {
		return nil, errors.Join(err, n.withdraw(a.Container, joined))
	}
	return result(joined, n.o.Gateway), nil
}

// zone lets the bridges through a host's firewalld, beside the caller, which waits for the end of the channel. A restart of firewalld forgets them, so
// every Attach does it.
func (n *Networks) zone(joined []Joined) <-chan struct{} {
	var bridges []string
	for _, j := range joined {
		if j.Network.Driver == record.Bridge && n.ofHost() {
			bridges = append(bridges, j.Network.Bridge)
		}
	}
	done := make(chan struct{})
	go func() {
		zone.Add(bridges)
		close(done)
	}()
	return done
}

// withdraw takes back what a failed Attach did, and leaves the container on its other networks.
func (n *Networks) withdraw(container string, joined []Joined) error {
	var names []string
	for _, j := range joined {
		names = append(names, j.Network.Name)
	}
	return n.leave(container, func(x *record.Network) bool { return slices.Contains(names, x.Name) })
}

// register gives the container its addresses, writes the files, and makes bridges and rules as they now say. The caller holds the lock.
func (n *Networks) register(a Attachment) ([]Joined, error) {
	all, err := n.load(a)
	if err != nil {
		return nil, err
	}
	gone, before, err := n.forget(all)
	if err != nil {
		return nil, err
	}
	if err := n.relocate(a.Networks, all); err != nil {
		return nil, err
	}
	joined, err := join(a, all, gone)
	if err != nil {
		return nil, err
	}
	for i, j := range joined {
		if err := n.dir.SaveEndpoints(j.Network); err != nil {
			return nil, errors.Join(err, n.undo(a.Container, joined[:i], all))
		}
	}
	if err := n.raise(joined, all, before); err != nil {
		return nil, errors.Join(err, n.undo(a.Container, joined, all))
	}
	return joined, nil
}

// load reads all networks. The default one is made when it is asked for the first time.
func (n *Networks) load(a Attachment) ([]*record.Network, error) {
	if slices.ContainsFunc(a.Networks, func(w Want) bool { return isDefault(w.Network) }) {
		if _, err := n.ensureDefault(); err != nil {
			return nil, err
		}
	}
	return n.dir.All()
}

func isDefault(ref string) bool { return ref == record.Default || ref == "default" || ref == "" }

// join adds the endpoints to the networks, in memory. gone are addresses that are to be given out when there are no others.
func join(a Attachment, all []*record.Network, gone []netip.Addr) ([]Joined, error) {
	var joined []Joined
	published := false
	if err := checkPorts(a.Ports, all); err != nil {
		return nil, err
	}
	for _, w := range a.Networks {
		x, err := pick(w.Network, all)
		if err != nil {
			return nil, err
		}
		if _, is := x.Endpoints[a.Container]; is {
			return nil, refuse(ErrConnected, "container %s is already on network %s", a.Name, x.Name)
		}
		e, err := endpoint(a, w, x, gone)
		if errors.Is(err, ErrNoAddress) {
			e, err = endpoint(a, w, x, nil)
		}
		if err != nil {
			return nil, fmt.Errorf("network %s: %w", x.Name, err)
		}
		if e.Interface == "" {
			e.Interface = nextInterface(a, all)
		}
		if x.Driver == record.Bridge && !x.Internal && !published {
			e.Ports, published = a.Ports, true
		}
		x.Endpoints[a.Container] = e
		joined = append(joined, Joined{x, e})
	}
	return joined, nil
}

// checkPorts refuses a port of another container's. Only sctp ports can be: the others are sockets of the container's own by now.
func checkPorts(ports []record.Port, all []*record.Network) error {
	for _, x := range all {
		for _, e := range x.Endpoints {
			for _, q := range e.Ports {
				for _, p := range ports {
					if p.Protocol == "sctp" && q.Protocol == "sctp" && p.HostPort == q.HostPort && (!p.HostIP.IsValid() || !q.HostIP.IsValid() || p.HostIP == q.HostIP) {
						return fmt.Errorf("bind for port %d/sctp: %w by container %s", p.HostPort, publish.ErrTaken, e.Name)
					}
				}
			}
		}
	}
	return nil
}

func pick(ref string, all []*record.Network) (*record.Network, error) {
	if isDefault(ref) {
		ref = record.Default
	}
	var found *record.Network
	for _, x := range all {
		switch {
		case x.Name == ref:
			return x, nil
		case len(ref) > len(x.ID) || x.ID[:len(ref)] != ref:
		case found != nil:
			return nil, refuse(ErrAmbiguous, "network %s is ambiguous: more than one id begins so", ref)
		default:
			found = x
		}
	}
	if found == nil {
		return nil, refuse(ErrNoNetwork, "network %s not found", ref)
	}
	return found, nil
}

func endpoint(a Attachment, w Want, x *record.Network, gone []netip.Addr) (*record.Endpoint, error) {
	e := &record.Endpoint{
		Container: a.Container, ID: newID(), Name: a.Name, Hostname: a.Hostname, Aliases: w.Aliases, MAC: w.MAC, Interface: w.Interface, Links: a.Links,
	}
	var err error
	taken := takenOn(x)
	for _, g := range gone {
		if _, is := taken[g]; !is && g != w.IPv4 && g != w.IPv6 {
			taken[g] = "a container that has just ended"
		}
	}
	if e.IPv4, err = addressOf(x.Pool4(), w.IPv4, taken); err != nil {
		return nil, err
	}
	if e.IPv6, err = addressOf(x.Pool6(), w.IPv6, taken); err != nil {
		return nil, err
	}
	if e.MAC == "" && x.Driver != record.Ipvlan {
		e.MAC = macOf(first(e.IPv4, e.IPv6))
	}
	if x.Driver == record.Bridge {
		e.Link = "hv" + e.ID[:10]
	}
	return e, nil
}

func addressOf(p *record.Pool, want netip.Addr, taken map[netip.Addr]string) (netip.Addr, error) {
	if p != nil {
		return allocate(p, want, taken)
	}
	if want.IsValid() {
		return want, refuse(ErrAddress, "%s: the network has no subnet of that family", want)
	}
	return want, nil
}

func first(a, b netip.Addr) netip.Addr {
	if a.IsValid() {
		return a
	}
	return b
}

// nextInterface gives the first of eth0, eth1 … that the container does not have.
func nextInterface(a Attachment, all []*record.Network) string {
	for i := 0; ; i++ {
		name := "eth" + strconv.Itoa(i)
		if name != a.Taken && !slices.ContainsFunc(all, func(x *record.Network) bool {
			e := x.Endpoints[a.Container]
			return e != nil && e.Interface == name
		}) {
			return name
		}
	}
}

// raise makes the bridges of the networks joined, and the rules of all.
func (n *Networks) raise(joined []Joined, all []*record.Network, before nft.Ruleset) error {
	links, err := link.Open(n.o.Host)
	if err != nil {
		return err
	}
	defer links.Close()
	forward, six := false, false
	for _, j := range joined {
		if j.Network.Driver != record.Bridge {
			continue
		}
		if _, err := links.EnsureBridge(n.bridge(j.Network)); err != nil {
			return err
		}
		forward = forward || !j.Network.Internal
		six = six || !j.Network.Internal && j.Network.Pool6() != nil
	}
	if forward {
		if err := links.EnableForwarding(six); err != nil {
			return err
		}
	}
	return n.filter(before, rules(all))
}

// bridge is the network's bridge.
func (n *Networks) bridge(x *record.Network) link.Bridge {
	b := link.Bridge{Name: x.Bridge, MTU: n.mtu(x), Mark: n.mark() + x.ID, Group: group(x)}
	for _, p := range x.Pools {
		b.Addrs = append(b.Addrs, netip.PrefixFrom(p.Gateway, p.Subnet.Bits()))
	}
	return b
}

// group is the number of the links of a network: its own by all odds, and far from those that people choose.
func group(x *record.Network) uint32 {
	n, err := strconv.ParseUint(x.ID[:8], 16, 32)
	if err != nil {
		return 0
	}
	return uint32(n) | 1<<31
}

package engine

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"codeberg.org/hoy/hoy/engine/ahead"
	"codeberg.org/hoy/hoy/engine/monitor"
	"codeberg.org/hoy/hoy/engine/serve"
	"codeberg.org/hoy/hoy/netns"
	"codeberg.org/hoy/hoy/netns/dns"
	"codeberg.org/hoy/hoy/netns/link"
	"codeberg.org/hoy/hoy/netns/nft"
	"codeberg.org/hoy/hoy/netns/publish"
	nets "codeberg.org/hoy/hoy/netns/record"
	"codeberg.org/hoy/hoy/oci"
)

// connection is a container's network from when it is made until a monitor takes it over.
type connection struct {
	net    *serve.Network  // nil: there is nothing to serve
	path   string          // of another container's namespace
	etc    *netns.Etc      // nil: as without a network of its own
	shared *Container      // whose hosts and resolv.conf are this one's too
	on     bool            // it is on networks, of which leave takes it
	joined []*nets.Network // those
}

// nsPath is the namespace for the specification. The monitor, which holds the one in net, puts its own name for it in the plan.
func (n *connection) nsPath() string {
	if n == nil || n.net == nil && n.path == "" {
		return ""
	}
	if n.path != "" {
		return n.path
	}
	return "/proc/self/fd/" + strconv.Itoa(int(n.net.Files[0].Fd()))
}

// connect gives the container its network, as far as it needs one; early is its process, if that is there already. The caller holds the container's lock.
func (e *Engine) connect(c *Container, early *ahead.Process) (*connection, error) {
	switch mode, value := c.Config.NetworkMode(); mode {
	case oci.NetworkBridge:
		return e.connectOwn(c, early)
	case oci.NetworkContainer:
		other, err := e.Find(value)
		if err != nil {
			return nil, err
		}
		if !other.Running() {
			return nil, fmt.Errorf("cannot join network of a non running container: %s", other.ID())
		}
		return &connection{path: "/proc/" + strconv.Itoa(other.State.Pid) + "/ns/net", shared: other}, nil
	case oci.NetworkPath:
		if _, err := os.Stat(value); err != nil {
			return nil, fmt.Errorf("network namespace: %w", err)
		}
		return &connection{path: value}, nil
	}
	return nil, nil
}

// connectOwn makes a namespace for the container with its networks, its name service and its ports: what fails first is what is
// most likely wrong, and what costs most comes last.
func (e *Engine) connectOwn(c *Container, early *ahead.Process) (n *connection, err error) {
	ports, err := published(&c.Config)
	if err != nil {
		return nil, err
	}
	reserved, err := publish.Reserve(ports, !e.o.Rootless)
	if err != nil {
		return nil, err
	}
	defer reserved.Close()
	ns, err := e.newNetwork(c, early)
	if err != nil {
		return nil, noNetwork(err)
	}
	n = &connection{net: &serve.Network{Ports: reserved.Bound(), Files: []*os.File{ns}}}
	defer func() {
		if err != nil {
			err = errors.Join(err, e.leave(c, n))
		}
	}()
	device, err := e.wire(c, n, ns)
	if err != nil {
		return n, err
	}
	return n, n.prepare(ns, device, reserved, &c.Config)
}

// prepare adds what the monitor needs to serve the network.
func (n *connection) prepare(ns, device *os.File, reserved *publish.Ports, cfg *oci.Config) error {
	inside, err := netns.Prepare(ns, n.net.Ports)
	if err != nil {
		if device != nil {
			device.Close()
		}
		return noNetwork(err)
	}
	defer inside.Names.Close()
	n.net.Names, n.net.Mark = inside.Names.Ports(), inside.Mark
	for _, s := range cfg.Dns {
		if s == oci.NoDNS {
			continue
		}
		a, err := netip.ParseAddr(s)
		if err != nil {
			return fmt.Errorf("name server %s: %w", s, err)
		}
		n.net.Servers = append(n.net.Servers, netip.AddrPortFrom(a, dns.Port))
	}
	udp, tcp, err := inside.Names.Files()
	if err != nil {
		return err
	}
	n.net.Files = append(n.net.Files, udp, tcp)
	if device != nil {
		n.net.Files = append(n.net.Files, device)
	}
	sockets, err := reserved.Files()
	n.net.Files = append(n.net.Files, sockets...)
	return err
}

// published are the ports of -p and -P.
func published(c *oci.Config) ([]nets.Port, error) {
	if !c.PublishAll {
		return c.Publish, nil
	}
	return netns.PublishAll(c.Ports, c.Publish)
}

// wire gives the namespace its links. device is the other end of the one to a user-mode stack.
//
// An ordinary user's container that names no network has a stack of its own. So has root's on the default network where bridges or the
// packet filter cannot be had, as in a container without the right to them.
func (e *Engine) wire(c *Container, n *connection, ns *os.File) (device *os.File, err error) {
	plain := onDefault(&c.Config)
	if e.o.Rootless && plain {
		return wireAlone(c, n, ns)
	}
	err = e.attach(c, n, ns)
	if err != nil && plain && unsupported(err) {
		device, alone := wireAlone(c, n, ns)
		if alone != nil {
			return nil, noNetwork(errors.Join(err, alone))
		}
		return device, nil
	}
	return nil, err
}

// onDefault says that a container is on the default network alone, with nothing special said of it.
func onDefault(c *oci.Config) bool {
	if len(c.Links) > 0 {
		return false
	}
	for _, w := range c.Networks {
		if w.Name != oci.DefaultNetwork && w.Name != "default" || w.IPv4.IsValid() || w.IPv6.IsValid() {
			return false
		}
	}
	return true
}

func unsupported(err error) bool {
	for _, known := range []error{link.ErrUnsupported, nft.ErrUnsupported, unix.EPERM, unix.EACCES, unix.EROFS, unix.EOPNOTSUPP, unix.EPROTONOSUPPORT, unix.EAFNOSUPPORT} {
		if errors.Is(err, known) {
			return true
		}
	}
	return false
}

// wireAlone connects the container to a user-mode stack of its own.
func wireAlone(c *Container, n *connection, ns *os.File) (*os.File, error) {
	mac := ""
	if len(c.Config.Networks) > 0 {
		mac = c.Config.Networks[0].MAC
	}
	out, err := netns.NewWayOut(ns, mac)
	if err != nil {
		return nil, noNetwork(err)
	}
	end, to := out.Endpoint, out.Options
	n.net.Uplink, n.net.Endpoint = &to, &end
	n.net.IPv4, n.net.IPv6, n.net.Gateway4, n.net.Gateway6 = end.IPv4, end.IPv6, to.Gateway4, to.Gateway6
	addrs := []netip.Addr{end.IPv4}
	if end.IPv6.IsValid() {
		addrs = append(addrs, end.IPv6)
	}
	n.etc = etcOf(c, addrs, to.Gateway4)
	return out.Device, nil
}

// attach puts the container on its networks.
func (e *Engine) attach(c *Container, n *connection, ns *os.File) error {
	if err := e.join(); err != nil { // where nobody has called Reach
		return err
	}
	links, err := e.links(c)
	if err != nil {
		return err
	}
	all := e.networksOf(e.hub)
	if err := all.Detach(c.ID()); err != nil { // from its last run, whose end nobody has tidied yet
		return err
	}
	got, err := all.Attach(netns.Attachment{
		Container: c.ID(), Name: c.Name(), Hostname: hostname(c), NetNS: ns, Networks: wants(&c.Config), Ports: n.net.Ports, Links: links,
	})
	if err != nil {
		return err
	}
	n.on = true
	var addrs []netip.Addr
	for _, j := range got.Joined {
		n.joined = append(n.joined, j.Network)
		for _, a := range []netip.Addr{j.Endpoint.IPv4, j.Endpoint.IPv6} {
			if a.IsValid() {
				addrs = append(addrs, a)
			}
		}
	}
	if e.hub != nil {
		if n.net.Hub, err = e.hub.Namespace(); err != nil {
			return err
		}
	}
	n.target(got.Joined)
	n.etc = etcOf(c, addrs, got.HostGateway)
	return nil
}

// target is where published ports lead to: the container on its first network with a way out.
func (n *connection) target(joined []netns.Joined) {
	i := slices.IndexFunc(joined, func(j netns.Joined) bool { return !j.Network.Internal })
	if i < 0 {
		return
	}
	j := joined[i]
	n.net.IPv4, n.net.IPv6 = j.Endpoint.IPv4, j.Endpoint.IPv6
	if p := j.Network.Pool4(); p != nil {
		n.net.Gateway4 = p.Gateway
	}
	if p := j.Network.Pool6(); p != nil {
		n.net.Gateway6 = p.Gateway
	}
}

func wants(c *oci.Config) []netns.Want {
	if len(c.Networks) == 0 {
		return []netns.Want{{Network: oci.DefaultNetwork}}
	}
	var out []netns.Want
	for _, w := range c.Networks {
		out = append(out, netns.Want{Network: w.Name, Aliases: w.Aliases, IPv4: w.IPv4, IPv6: w.IPv6, MAC: w.MAC})
	}
	return out
}

// links maps the aliases of --link to the ids of the containers.
func (e *Engine) links(c *Container) (map[string]string, error) {
	if len(c.Config.Links) == 0 {
		return nil, nil
	}
	out := map[string]string{}
	for _, l := range c.Config.Links {
		ref, alias, ok := strings.Cut(l, ":")
		if !ok {
			alias = ref
		}
		other, err := e.Find(ref)
		if err != nil {
			return nil, fmt.Errorf("could not get container for %s: %w", ref, err)
		}
		if !other.Running() {
			return nil, fmt.Errorf("cannot link to a non running container: /%s AS /%s/%s", other.Name(), c.Name(), alias)
		}
		out[alias] = other.ID()
		out[other.Name()] = other.ID()
	}
	return out, nil
}

func etcOf(c *Container, addrs []netip.Addr, host netip.Addr) *netns.Etc {
	cfg := &c.Config
	return &netns.Etc{
		Hostname: hostname(c), Domainname: cfg.Domainname, Addrs: addrs, HostGateway: host,
		ExtraHosts: cfg.ExtraHosts, Search: cfg.DnsSearch, Options: cfg.DnsOptions,
	}
}

// leave undoes connect. A nil connection is nothing to undo.
func (e *Engine) leave(c *Container, n *connection) error {
	if n == nil {
		return nil
	}
	err := n.net.Close()
	if n.on {
		n.on = false
		err = errors.Join(err, e.networks(func(all *netns.Networks) error { return all.Detach(c.ID()) }))
	}
	return err
}

// networksOf gives the networks with the namespace of hub; as root hub is nil. For a user, nil stands for none, and the files alone.
func (e *Engine) networksOf(hub *netns.Hub) *netns.Networks {
	o := netns.Options{Root: e.o.Root, Instance: netns.InstanceOf(e.o.Root, defaultRoot), Alive: e.kept, Healing: func() bool { return monitor.Healing(e.o.Run) }}
	switch {
	case hub != nil:
		o.Host, o.Gateway, o.Avoid = hub.NS, hub.Gateway, ownRoutes
	case e.o.Rootless:
		o.FilesOnly = true
	}
	return netns.Open(o)
}

// ownRoutes are the subnets that the host uses.
func ownRoutes() ([]netip.Prefix, error) {
	l, err := link.Open(nil)
	if err != nil {
		return nil, err
	}
	defer l.Close()
	return l.Routes()
}

// kept says whether a container lives, or somebody is about to start it: its addresses are its own.
func (e *Engine) kept(id string) bool {
	p := e.place(id)
	if p.Kept() {
		return true
	}
	s, err := monitor.ReadState(p)
	return err == nil && s.Process != nil && s.Process.Alive()
}

// networks calls f with the networks as they can be had now: as root in the host's namespace, for a user in that of the user's networks
// when there is one and this process is in its user namespace, else with the files alone.
func (e *Engine) networks(f func(*netns.Networks) error) error {
	if !e.o.Rootless || e.hub != nil {
		return f(e.networksOf(e.hub))
	}
	hub := netns.Current(e.o.Run)
	if hub == nil {
		return f(e.networksOf(nil))
	}
	defer hub.Close()
	return f(e.networksOf(hub))
}

// noNetwork says what can be done about a host that gives containers no network.
func noNetwork(err error) error { return &networkError{err} }

type networkError struct{ err error }

func (e *networkError) Error() string {
	return "make the container's network: " + strings.ReplaceAll(e.err.Error(), "\n", "; ")
}
func (e *networkError) Unwrap() error { return e.err }

// Hint says what works without.
func (e *networkError) Hint() string {
	missing := ""
	if errors.Is(e.err, unix.EPERM) {
		missing = "it needs the capabilities CAP_NET_ADMIN and CAP_SYS_ADMIN; "
	}
	return missing + "--network host uses the host's network, --network none does without"
}

// HealMain is the role "hoy-heal": it takes ended containers off their networks. It gives the exit status.
func HealMain(args []string, rootless bool) int {
	if len(args) != 3 {
		return 2
	}
	e := &Engine{o: Options{Root: args[1], Run: args[2], Rootless: rootless}}
	if now, err := monitor.AwaitHeal(e.o.Run); err == nil && !now {
		return 0
	}
	err := e.networks((*netns.Networks).Heal)
	if e.orphaned() != 0 {
		err = errors.Join(err, e.join()) // it has its holder for as long as it needs one
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "hoy: leave networks: %v\n", err)
		return 1
	}
	return 0
}

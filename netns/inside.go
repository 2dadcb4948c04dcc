package netns

import (
	"errors"
	"os"
	"slices"

	"codeberg.org/hoy/hoy/netns/dns"
	"codeberg.org/hoy/hoy/netns/link"
	"codeberg.org/hoy/hoy/netns/nft"
	"codeberg.org/hoy/hoy/netns/record"
)

// Mark is the mark of packets, and the number of the routing table, by which published ports keep the client's address: "hoy".
const Mark = 0x686f79

// Inside is what was prepared in a container's namespace for its monitor.
type Inside struct {
	Names *dns.Sockets // for dns.Serve
	Mark  int          // for publish.Target; 0: services do not see their clients' addresses
}

// Prepare makes a container's namespace ready for its monitor: the name service's sockets, and the way back to clients of
// published ports. A kernel without nftables gets a name service on port 53 itself, and services that see the container's own
// address as their client.
func Prepare(ns *os.File, ports []record.Port) (*Inside, error) {
	sockets, err := dns.Listen(ns, dns.Ports{})
	if err != nil {
		return nil, err
	}
	p := sockets.Ports()
	rules := nft.Inside{Resolver: dns.Address, UDP: p.UDP, TCP: p.TCP}
	inside := &Inside{Names: sockets}
	if len(ports) > 0 {
		inside.Mark = Mark
		if rules.Mark, err = routeMarked(ns, ports); err != nil {
			return nil, errors.Join(err, sockets.Close())
		}
	}
	err = nft.Table{Name: "hoy", NS: ns}.Install(rules)
	if errors.Is(err, nft.ErrUnsupported) {
		sockets.Close()
		sockets, err = dns.Listen(ns, dns.Ports{UDP: dns.Port, TCP: dns.Port})
		return &Inside{Names: sockets}, err
	}
	if err != nil {
		return nil, errors.Join(err, sockets.Close())
	}
	return inside, nil
}

// routeMarked has what bears the mark find its way back, and gives the mark again when the packet filter is needed for that.
func routeMarked(ns *os.File, ports []record.Port) (mark uint32, err error) {
	links, err := link.Open(ns)
	if err != nil {
		return 0, err
	}
	defer links.Close()
	if slices.ContainsFunc(ports, func(p record.Port) bool { return p.Protocol == "udp" }) || links.AcceptMarks() != nil {
		mark = Mark
	}
	return mark, links.RouteMarked(Mark)
}

// Package record holds the networks as they are on disk: for each a definition, <root>/networks/<name>.json, and its endpoints, <name>.live.
//
// It is read by light processes (a container's monitor answers names from it), so it imports the standard library and
// golang.org/x/sys only.
package record

import (
	"net/netip"
	"time"
)

// Version is the version that files carry. A newer one is refused.
const Version = 1

// The drivers.
const (
	Bridge  = "bridge"
	Macvlan = "macvlan"
	Ipvlan  = "ipvlan"
)

// Default is the name of the network of a container that names none, and DefaultBridge is its bridge.
const (
	Default       = "bridge"
	DefaultBridge = "hoy0"
)

// Network is one network, whole. Field names of `network inspect` are Docker's; these are the file's.
type Network struct {
	Version  int               `json:"version"`
	Name     string            `json:"name"`
	ID       string            `json:"id"` // 64 lower-case hexadecimal digits
	Created  time.Time         `json:"created"`
	Driver   string            `json:"driver"` // Bridge, Macvlan, Ipvlan
	Internal bool              `json:"internal,omitempty"`
	IPv6     bool              `json:"ipv6,omitempty"`
	Labels   map[string]string `json:"labels,omitempty"`
	Options  map[string]string `json:"options,omitempty"` // --opt, as typed
	Pools    []Pool            `json:"pools"`             // at most one of each family

	// Bridge is the link that carries the network: the bridge's name, or the parent's name of a macvlan or ipvlan network
	// ("" for one without a way out).
	Bridge string `json:"bridge,omitempty"`
	// Endpoints are the containers on the network, by container id. They are in a file of their own, <name>.live, which need not
	// survive a power cut as the definition must. What a dead container left in there is removed by the next command that
	// looks (netns.Networks.Heal).
	Endpoints map[string]*Endpoint `json:"-"`
}

// Pool is one subnet and what may be given out of it.
type Pool struct {
	Subnet  netip.Prefix `json:"subnet"` // masked
	Gateway netip.Addr   `json:"gateway"`
	Auto    bool         `json:"auto,omitempty"` // hoy's choice: it may choose another one while nobody is on the network
	Range   netip.Prefix `json:"range,omitzero"` // within Subnet; invalid: all of it
	// Reserved are --aux-address values: never given out.
	Reserved map[string]netip.Addr `json:"reserved,omitempty"`
}

// Endpoint is one container on one network.
type Endpoint struct {
	Container string     `json:"container"` // id
	ID        string     `json:"id"`        // 64 hexadecimal digits, Docker's EndpointID
	Name      string     `json:"name"`      // the container's
	Hostname  string     `json:"hostname,omitempty"`
	Aliases   []string   `json:"aliases,omitempty"`
	IPv4      netip.Addr `json:"ipv4,omitzero"`
	IPv6      netip.Addr `json:"ipv6,omitzero"`
	MAC       string     `json:"mac"`
	Interface string     `json:"interface"` // in the container: eth0, eth1 …
	// Link is the name of the veth's other end, on the bridge. "" for macvlan and ipvlan.
	Link string `json:"link,omitempty"`
	// Ports are the container's published ports. They are with one endpoint only: that of its first network with a way out.
	Ports []Port `json:"ports,omitempty"`
	// Links are the names that this container alone has for others (--link): alias to container id.
	Links map[string]string `json:"links,omitempty"`
}

// Port is one published port.
type Port struct {
	// HostIP is the host's address; invalid means all of both families.
	HostIP netip.Addr `json:"hostIp,omitzero"`
	// HostPort to HostEnd is the range one of which is taken; 0 leaves the choice to the kernel. Once bound both are the port taken.
	HostPort uint16 `json:"hostPort"`
	HostEnd  uint16 `json:"hostEnd,omitempty"`
	Port     uint16 `json:"port"`     // in the container
	Protocol string `json:"protocol"` // "tcp", "udp", "sctp"
}

// Pool4 is the network's IPv4 pool; nil when it has none.
func (n *Network) Pool4() *Pool { return n.pool(netip.Addr.Is4) }

// Pool6 is the network's IPv6 pool; nil when it has none.
func (n *Network) Pool6() *Pool { return n.pool(netip.Addr.Is6) }

func (n *Network) pool(family func(netip.Addr) bool) *Pool {
	for i := range n.Pools {
		if family(n.Pools[i].Subnet.Addr()) {
			return &n.Pools[i]
		}
	}
	return nil
}

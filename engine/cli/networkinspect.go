package cli

import (
	"context"
	"net/netip"
	"strconv"

	"codeberg.org/hoy/hoy/engine"
	"codeberg.org/hoy/hoy/netns"
	"codeberg.org/hoy/hoy/netns/record"
)

// networkInspect is a network as `docker network inspect` shows it. Source: Docker Engine API 1.47, Network.
type networkInspect struct {
	Name       string
	ID         string `json:"Id"`
	Created    string
	Scope      string
	Driver     string
	EnableIPv4 bool
	EnableIPv6 bool
	IPAM       networkIPAM
	Internal   bool
	Attachable bool
	Ingress    bool
	ConfigFrom struct{ Network string }
	ConfigOnly bool
	Containers map[string]networkContainer
	Options    map[string]string
	Labels     map[string]string
}

type networkIPAM struct {
	Driver  string
	Options map[string]string
	Config  []networkPool
}

type networkPool struct {
	Subnet             string
	IPRange            string            `json:",omitempty"`
	Gateway            string            `json:",omitempty"`
	AuxiliaryAddresses map[string]string `json:",omitempty"`
}

type networkContainer struct {
	Name        string
	EndpointID  string
	MacAddress  string
	IPv4Address string
	IPv6Address string
}

func inspectNetworkCommand(s *session) *command {
	return s.inspectKind("NETWORK", "networks", inspectNetwork, completeNetworks)
}

func inspectNetwork(_ context.Context, e *engine.Engine, ref string) (any, error) {
	switch ref {
	case "host", "none":
		return builtinNetwork(ref), nil
	}
	var x *record.Network
	err := e.Networks(func(all *netns.Networks) (err error) {
		x, err = all.Find(ref)
		return err
	})
	if err != nil {
		return nil, err
	}
	return describeNetwork(x), nil
}

func builtinNetwork(name string) *networkInspect {
	driver := map[string]string{"host": "host", "none": "null"}[name]
	return &networkInspect{
		Name: name, Scope: "local", Driver: driver, EnableIPv4: true, IPAM: networkIPAM{Driver: "default", Config: []networkPool{}},
		Containers: map[string]networkContainer{}, Options: map[string]string{}, Labels: map[string]string{},
	}
}

func describeNetwork(x *record.Network) *networkInspect {
	n := builtinNetwork(x.Name)
	n.ID, n.Created, n.Driver = x.ID, x.Created.Format("2006-01-02T15:04:05.999999999Z07:00"), x.Driver
	n.EnableIPv4, n.EnableIPv6, n.Internal = x.Pool4() != nil, x.Pool6() != nil, x.Internal
	for _, p := range x.Pools {
		pool := networkPool{Subnet: p.Subnet.String(), Gateway: p.Gateway.String()}
		if p.Range.IsValid() {
			pool.IPRange = p.Range.String()
		}
		for name, a := range p.Reserved {
			if pool.AuxiliaryAddresses == nil {
				pool.AuxiliaryAddresses = map[string]string{}
			}
			pool.AuxiliaryAddresses[name] = a.String()
		}
		n.IPAM.Config = append(n.IPAM.Config, pool)
	}
	for key, value := range x.Options {
		n.Options[key] = value
	}
	for key, value := range x.Labels {
		n.Labels[key] = value
	}
	for id, end := range x.Endpoints {
		n.Containers[id] = networkContainer{
			Name: end.Name, EndpointID: end.ID, MacAddress: end.MAC, IPv4Address: withBits(end.IPv4, x.Pool4()), IPv6Address: withBits(end.IPv6, x.Pool6()),
		}
	}
	return n
}

func withBits(a netip.Addr, p *record.Pool) string {
	if !a.IsValid() || p == nil {
		return ""
	}
	return a.String() + "/" + strconv.Itoa(p.Subnet.Bits())
}

// Package serve answers names and passes on published ports for a container, in a process of its own that the container's monitor starts when
// there is something to do.
package serve

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"

	"codeberg.org/hoy/hoy/engine/monitor"
	"codeberg.org/hoy/hoy/netns/dns"
	"codeberg.org/hoy/hoy/netns/publish"
	"codeberg.org/hoy/hoy/netns/record"
	"codeberg.org/hoy/hoy/netns/space"
	"codeberg.org/hoy/hoy/netns/uplink"
	"codeberg.org/hoy/hoy/netns/wake"
)

// Network is what is served in a container's network namespace. Containers without a network, with the host's or with another container's have none.
type Network struct {
	Names   dns.Ports        `json:"names"`             // the ports of the name service
	Servers []netip.AddrPort `json:"servers,omitempty"` // --dns
	Ports   []record.Port    `json:"ports,omitempty"`   // published, as they are bound

	// Where published ports lead to: publish.Target.
	IPv4     netip.Addr `json:"ipv4,omitzero"`
	IPv6     netip.Addr `json:"ipv6,omitzero"`
	Gateway4 netip.Addr `json:"gateway4,omitzero"`
	Gateway6 netip.Addr `json:"gateway6,omitzero"`
	Mark     int        `json:"mark,omitempty"`

	// Uplink is set for a container whose way out is a user-mode stack. Endpoint is its link then, which no network's file has.
	Uplink   *uplink.Options  `json:"uplink,omitempty"`
	Endpoint *record.Endpoint `json:"endpoint,omitempty"`

	// Files are, until a monitor has taken them over: the namespace, the name service's sockets (UDP, TCP), with Uplink the
	// device, and the sockets of Ports.
	Files []*os.File `json:"-"`
	// Hub is, with an ordinary user's networks, the namespace that they are in. Monitors keep it open, so that it outlives a killed holder.
	Hub *os.File `json:"-"`
}

// The places in Network.Files.
const (
	fileNS = iota
	fileUDP
	fileTCP
	fileMore
)

// Close lets go of Files.
func (n *Network) Close() error {
	if n == nil {
		return nil
	}
	var err error
	for _, f := range n.Files {
		err = errors.Join(err, f.Close())
	}
	if n.Hub != nil {
		err = errors.Join(err, n.Hub.Close())
	}
	n.Files, n.Hub = nil, nil
	return err
}

// ForMonitor gives the network as a monitor's settings have it: what it is to wait for, and what it starts then. The files go over to it.
func (n *Network) ForMonitor(p monitor.Place) (*monitor.Network, error) {
	if n == nil {
		return nil, nil
	}
	spec, err := json.Marshal(n)
	if err != nil {
		return nil, fmt.Errorf("encode the network: %w", err)
	}
	out := &monitor.Network{Spec: spec, Joined: n.Endpoint == nil, Files: n.Files, Inherited: len(n.Files)}
	datagrams := wake.Part{Args: []string{whatDatagrams}, Files: []int{fileNS, fileUDP, fileTCP}, Watch: []int{fileUDP, fileTCP}}
	streams := wake.Part{Args: []string{whatStreams}, Files: []int{fileNS}}
	next := fileMore
	if n.Uplink != nil {
		part, err := uplink.Part(*n.Uplink, fileMore)
		if err != nil {
			return nil, err
		}
		out.Parts = append(out.Parts, part)
		next++
	}
	for _, port := range n.Ports {
		part := &datagrams
		switch port.Protocol {
		case "sctp":
			continue
		case "tcp":
			part = &streams
		}
		part.Files, part.Watch = append(part.Files, next), append(part.Watch, next)
		next++
	}
	for _, part := range []wake.Part{datagrams, streams} {
		if len(part.Watch) > 0 {
			part.Env = wake.SmallRuntime()
			part.Args = []string{Role, p.Root, p.Run, p.ID, part.Args[0], strconv.Itoa(len(part.Files))}
			out.Parts = append(out.Parts, part)
		}
	}
	if n.Hub != nil {
		out.Files = append(out.Files, n.Hub)
		out.Inherited++
	}
	n.Files, n.Hub = nil, nil
	return out, nil
}

// Read reads what is served of a running container's network; nil: nothing.
func Read(p monitor.Place) (*Network, error) {
	n, err := monitor.ReadNetwork(p)
	if n == nil || err != nil {
		return nil, err
	}
	return Decode(n)
}

// Decode gives what a monitor's settings say, without files.
func Decode(n *monitor.Network) (*Network, error) {
	out := new(Network)
	if err := json.Unmarshal(n.Spec, out); err != nil {
		return nil, fmt.Errorf("decode the network: %w", err)
	}
	return out, nil
}

// Reopen opens the files again, of which a killed monitor had the last copies, for a container whose first process has that pid. device makes its
// end of a link to a user-mode stack; it is called with Uplink only. Ports that somebody has taken since are given up: that is in the error, and n goes on without them.
func (n *Network) Reopen(pid int, device func(ns *os.File) (*os.File, error)) error {
	ns, err := space.OfProcess(pid)
	if err != nil {
		return err
	}
	n.Files = []*os.File{ns}
	names, err := dns.Listen(ns, n.Names)
	if err != nil {
		return errors.Join(err, n.Close())
	}
	defer names.Close()
	udp, tcp, err := names.Files()
	if err != nil {
		return errors.Join(err, n.Close())
	}
	n.Files = append(n.Files, udp, tcp)
	if n.Uplink != nil {
		f, err := device(ns)
		if err != nil {
			return errors.Join(err, n.Close())
		}
		n.Files = append(n.Files, f)
	}
	return n.reopenPorts()
}

func (n *Network) reopenPorts() error {
	ports, err := publish.Reserve(n.Ports, true)
	if err != nil {
		n.Ports = slices.DeleteFunc(n.Ports, func(p record.Port) bool { return p.Protocol != "sctp" })
		return err
	}
	defer ports.Close()
	sockets, err := ports.Files()
	n.Files = append(n.Files, sockets...)
	return err
}

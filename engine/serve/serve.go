// Package serve keeps a container's network for its monitor: name service, published ports, and the rootless way out.
//
// The monitor itself does not import it, because its libraries would delay every role of hoy that is reached before the wide ones.
package serve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path"
	"strconv"
	"sync"

	"codeberg.org/hoy/hoy/engine/monitor"
	"codeberg.org/hoy/hoy/netns/dns"
	"codeberg.org/hoy/hoy/netns/publish"
	"codeberg.org/hoy/hoy/netns/record"
	"codeberg.org/hoy/hoy/netns/space"
	"codeberg.org/hoy/hoy/netns/uplink"
)

// Network is what a monitor serves in its container's network namespace. Containers without a network, with the host's or with another container's have none.
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
	n.Files = nil
	return err
}

// ForMonitor gives the network as a monitor's settings have it. The files go over to it.
func (n *Network) ForMonitor() (*monitor.Network, error) {
	if n == nil {
		return nil, nil
	}
	spec, err := json.Marshal(n)
	if err != nil {
		return nil, fmt.Errorf("encode the network: %w", err)
	}
	out := &monitor.Network{Spec: spec, Joined: n.Endpoint == nil, Files: n.Files, Inherited: len(n.Files)}
	n.Files = nil
	return out, nil
}

// Read reads what is served of a running container's network; nil: nothing.
func Read(p monitor.Place) (*Network, error) {
	n, err := monitor.ReadNetwork(p)
	if n == nil || err != nil {
		return nil, err
	}
	return decode(n)
}

func decode(n *monitor.Network) (*Network, error) {
	out := &Network{Files: n.Files}
	if err := json.Unmarshal(n.Spec, out); err != nil {
		return nil, fmt.Errorf("decode the network: %w", err)
	}
	return out, nil
}

// Serve is the monitor.NetworkServer.
func Serve(p monitor.Place, settings *monitor.Network, pid int) (monitor.NetworkService, error) {
	n, err := decode(settings)
	if err != nil {
		return nil, err
	}
	settings.Files = nil
	s, err := serve(p, n, pid)
	if s == nil {
		return nil, err
	}
	return s, err
}

func serve(p monitor.Place, n *Network, pid int) (*service, error) {
	if pid != 0 {
		return adoptService(p, n, pid)
	}
	return newService(p, n)
}

// service is a container's network being kept.
type service struct {
	n      *Network
	dir    string // of the networks' files
	id     string // the container's
	ns     *os.File
	names  *dns.Sockets
	ports  *publish.Ports
	device *os.File // with Uplink, and not after a second monitor has taken over: the process that has it outlives the first one

	stop  context.CancelFunc
	tasks sync.WaitGroup
}

// newService makes use of the files in n. It closes those that it does not keep.
func newService(p monitor.Place, n *Network) (*service, error) {
	s := &service{n: n, dir: path.Join(p.Root, "networks"), id: p.ID, ns: n.Files[fileNS]}
	rest := n.Files[fileMore:]
	if n.Uplink != nil {
		s.device, rest = rest[0], rest[1:]
	}
	var namesErr, portsErr error
	s.names, namesErr = dns.FromFiles(n.Files[fileUDP], n.Files[fileTCP])
	s.ports, portsErr = publish.FromFiles(n.Ports, rest)
	n.Files = nil
	if err := errors.Join(namesErr, portsErr); err != nil {
		s.Close()
		return nil, fmt.Errorf("take over the network: %w", err)
	}
	return s, nil
}

// adoptService serves a network again whose monitor was killed. What cannot be had any more (a port that somebody has taken since) is in the error.
func adoptService(p monitor.Place, n *Network, pid int) (*service, error) {
	s := &service{n: n, dir: path.Join(p.Root, "networks"), id: p.ID}
	var err error
	if s.ns, err = space.OfProcess(pid); err != nil {
		return nil, err
	}
	var namesErr, portsErr error
	s.names, namesErr = dns.Listen(s.ns, n.Names)
	s.ports, portsErr = publish.Reserve(n.Ports, true)
	return s, errors.Join(namesErr, portsErr)
}

// Path is where the container's process finds the namespace while it is born.
func (s *service) Path() string {
	return "/proc/" + strconv.Itoa(os.Getpid()) + "/fd/" + strconv.Itoa(int(s.ns.Fd()))
}

// Start serves until Close.
func (s *service) Start() {
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	n := s.n
	if s.names != nil {
		s.tasks.Go(func() {
			monitor.Report(dns.Serve(ctx, dns.Options{Dir: s.dir, Container: s.id, Sockets: s.names, Servers: n.Servers, NS: s.ns}))
		})
	}
	if s.ports != nil && len(n.Ports) > 0 {
		s.tasks.Go(func() {
			s.ports.Serve(ctx, publish.Target{NS: s.ns, IPv4: n.IPv4, IPv6: n.IPv6, Gateway4: n.Gateway4, Gateway6: n.Gateway6, Mark: n.Mark})
		})
	}
	if s.device != nil {
		s.tasks.Go(func() { monitor.Report(uplink.Keep(ctx, s.device, *n.Uplink)) })
	}
}

// Close ends the service, and waits until its ports are free.
func (s *service) Close() {
	if s.stop != nil {
		s.stop()
		s.tasks.Wait()
	} else {
		s.abandon()
	}
	s.ns.Close()
}

// abandon closes what nobody serves.
func (s *service) abandon() {
	if s.names != nil {
		s.names.Close()
	}
	if s.ports != nil {
		s.ports.Close()
	}
	if s.device != nil {
		s.device.Close()
	}
}

package monitor

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path"
	"strconv"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"codeberg.org/hoy/hoy/netns/dns"
	"codeberg.org/hoy/hoy/netns/publish"
	"codeberg.org/hoy/hoy/netns/record"
	"codeberg.org/hoy/hoy/netns/space"
	"codeberg.org/hoy/hoy/netns/uplink"
)

// HealRole is the name by which a monitor, which is light, starts the program to take ended containers off their networks: argv[0]. The
// arguments are the root and the run directory.
const HealRole = "hoy-heal"

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

// inherit takes over the files that Spawn has passed on, from descriptor first on.
func (n *Network) inherit(first int) {
	count := fileMore
	if n.Uplink != nil {
		count++
	}
	for _, p := range n.Ports {
		if p.Protocol != "sctp" {
			count++
		}
	}
	for fd := first; fd < first+count; fd++ {
		unix.CloseOnExec(fd)
		n.Files = append(n.Files, os.NewFile(uintptr(fd), "network"))
	}
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
func newService(p Place, n *Network) (*service, error) {
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
		s.close()
		return nil, fmt.Errorf("take over the network: %w", err)
	}
	return s, nil
}

// adoptService serves a network again whose monitor was killed. What cannot be had any more (a port that somebody has taken since) is in the error.
func adoptService(p Place, n *Network, pid int) (*service, error) {
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

// path is where the container's process finds the namespace while it is born.
func (s *service) path() string {
	return "/proc/" + strconv.Itoa(os.Getpid()) + "/fd/" + strconv.Itoa(int(s.ns.Fd()))
}

// start serves until close.
func (s *service) start() {
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	n := s.n
	if s.names != nil {
		s.tasks.Go(func() {
			report(dns.Serve(ctx, dns.Options{Dir: s.dir, Container: s.id, Sockets: s.names, Servers: n.Servers, NS: s.ns}))
		})
	}
	if s.ports != nil && len(n.Ports) > 0 {
		s.tasks.Go(func() {
			s.ports.Serve(ctx, publish.Target{NS: s.ns, IPv4: n.IPv4, IPv6: n.IPv6, Gateway4: n.Gateway4, Gateway6: n.Gateway6, Mark: n.Mark})
		})
	}
	if s.device != nil {
		s.tasks.Go(func() { report(uplink.Keep(ctx, s.device, *n.Uplink)) })
	}
}

// report says what ends a part of the network while the container runs on: in the background, to the monitor's own file.
func report(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "hoy: network:", err)
	}
}

// close ends the service, and waits until its ports are free.
func (s *service) close() {
	if s == nil {
		return
	}
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

// Heal starts, in the background, the program that takes ended containers off their networks: the kernel lets go of a link only after
// some 10 ms, for which nobody waits. That it fails costs nothing: the next container on a network does the same.
func Heal(p Place) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return
	}
	defer null.Close()
	proc, err := os.StartProcess("/proc/self/exe", []string{HealRole, p.Root, p.Run}, &os.ProcAttr{
		Dir: "/", Env: environment(), Files: []*os.File{null, null, null}, Sys: &syscall.SysProcAttr{Setsid: true},
	})
	if err == nil {
		proc.Release()
	}
}

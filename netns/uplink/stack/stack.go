// Package stack is the user-mode TCP/IP stack that is a rootless container's way out: gVisor's netstack between the container's
// link and the user's own sockets.
//
// What the container sends to anybody ends here: a TCP connection becomes one of the user's, once that is established; UDP goes
// through a socket for each pair of ends; an echo request through a ping socket. It is heavy and runs in a process of its own
// (package uplink).
package stack

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime/debug"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/link/fdbased"
	"gvisor.dev/gvisor/pkg/tcpip/network/arp"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/icmp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"

	"codeberg.org/hoy/hoy/netns/uplink"
	"codeberg.org/hoy/hoy/netns/wake"
)

const (
	nic = 1

	tcpBuffer    = 1 << 20 // bytes each way at first
	tcpBufferMax = 4 << 20
	tcpInFlight  = 1024 // connections being made at once

	quiet = 200 * time.Millisecond // without a packet
	beat  = time.Second            // between two looks when it is quiet
	idle  = 30 * time.Second       // after which the process ends until it is needed again

	// After so many packets, or so long, memory is worth giving back: that takes some milliseconds of processor time.
	manyPackets = 1000
	long        = 10 * time.Second
)

// frameBuffers are what a frame is read into, one after the other, and taken apart by: few, but what is read later does not lie in one that is much
// too large for it.
var frameBuffers = []int{512, 3584, 12 << 10, 48 << 10}

// Main is the role "hoy-uplink": it serves until the link is gone, or has had nothing to carry for a while. It gives the exit status: 0 then.
func Main(args []string) int {
	o, device, frame, err := uplink.Inherited(args)
	if err == nil {
		err = confine()
	}
	if err == nil {
		err = Serve(device, o, frame)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "hoy: user-mode network: %v\n", err)
		return 1
	}
	return 0
}

// confine keeps the process from gaining privilege. It has none to begin with: it is started in a user namespace of its own.
// A program with cgo, as a test may be, cannot do it (ENOTSUP).
func confine() error {
	if _, _, errno := syscall.AllThreadsSyscall6(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0); errno != 0 && errno != unix.ENOTSUP {
		return fmt.Errorf("set no_new_privs: %w", errno)
	}
	return nil
}

// Serve runs the stack on the link until that is gone or idle, and closes it. first is a frame that has been read from it.
func Serve(device *os.File, o uplink.Options, first []byte) error {
	defer device.Close() // which also keeps it open until then: the stack has its number only
	mac, err := net.ParseMAC(o.MAC)
	if err != nil {
		return err
	}
	gone := make(chan tcpip.Error, 1)
	fdbased.BufConfig = frameBuffers
	link, err := fdbased.New(&fdbased.Options{
		FDs: []int{int(device.Fd())}, MTU: uint32(o.MTU), EthernetHeader: true, Address: tcpip.LinkAddress(mac),
		PacketDispatchMode: fdbased.RecvMMsg, RXChecksumOffload: true, // the container's kernel leaves checksums to its link
		PreConfigured: true, IsPacketSocket: []bool{false}, // a packet socket can be put into a group once only, and an earlier process may have had it
		ClosedFunc: func(err tcpip.Error) {
			select {
			case gone <- err:
			default:
			}
		},
	})
	if err != nil {
		return fmt.Errorf("open link: %w", err)
	}
	s := newStack()
	r := &router{stack: s, options: o}
	if r.relay, err = newRelay(); err != nil {
		return err
	}
	defer r.relay.close()
	p := newPinger(link, r)
	if err := r.attach(p); err != nil {
		return err
	}
	p.take(first)
	r.untilIdle(gone)
	return nil
}

// untilIdle waits until the link is gone, or until for a while nothing has come from it and nobody is connected through it. When it has become quiet,
// what the work has taken in memory is given back.
func (r *router) untilIdle(gone <-chan tcpip.Error) {
	look := time.NewTimer(quiet)
	defer look.Stop()
	var seen, tidied uint64 // packets
	var tidy time.Time
	for came := time.Now(); ; {
		select {
		case <-gone:
			return
		case <-look.C:
		}
		now := time.Now()
		r.relay.sweep(now)
		packets := r.stack.NICInfo()[nic].Stats.Rx.Packets.Value() + r.pings.Load()
		if packets != seen {
			seen, came = packets, now
			look.Reset(quiet)
			continue
		}
		if tidy.IsZero() || seen-tidied >= manyPackets || seen != tidied && now.Sub(tidy) > long {
			tidied, tidy = seen, now
			debug.FreeOSMemory()
			wake.Shrink()
		}
		if r.open.Load() == 0 && now.Sub(came) > idle {
			return
		}
		look.Reset(beat)
	}
}

func newStack() *stack.Stack {
	return stack.New(stack.Options{
		NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocol, ipv6.NewProtocol, arp.NewProtocol},
		TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol, udp.NewProtocol, icmp.NewProtocol4, icmp.NewProtocol6},
	})
}

// router sends what arrives on the link to where it is meant for.
type router struct {
	stack   *stack.Stack
	options uplink.Options
	relay   *relay
	open    atomic.Int64  // connections, and pairs of ends that speak by UDP
	pings   atomic.Uint64 // so far
}

// attach puts the stack on the link. It is promiscuous and spoofing, for it stands for the whole world.
func (r *router) attach(link stack.LinkEndpoint) error {
	if err := r.tune(); err != nil {
		return err
	}
	s := r.stack
	tcpForwarder := tcp.NewForwarder(s, 0, tcpInFlight, r.tcp)
	s.SetTransportProtocolHandler(tcp.ProtocolNumber, tcpForwarder.HandlePacket)
	s.SetTransportProtocolHandler(udp.ProtocolNumber, udp.NewForwarder(s, r.udp).HandlePacket)
	if err := s.CreateNIC(nic, link); err != nil {
		return fmt.Errorf("create NIC: %s", err)
	}
	if err := s.SetPromiscuousMode(nic, true); err != nil {
		return fmt.Errorf("set promiscuous: %s", err)
	}
	if err := s.SetSpoofing(nic, true); err != nil {
		return fmt.Errorf("set spoofing: %s", err)
	}
	o := r.options
	for _, a := range []netip.Prefix{
		netip.PrefixFrom(o.Gateway4, o.Bits4), netip.PrefixFrom(o.Gateway6, o.Bits6), netip.PrefixFrom(o.DNS4, o.Bits4), netip.PrefixFrom(o.DNS6, o.Bits6),
	} {
		if err := r.addAddress(a); err != nil {
			return err
		}
	}
	return nil
}

// addAddress gives the stack an address that it answers ARP and neighbour solicitations for, and a route to its subnet.
func (r *router) addAddress(p netip.Prefix) error {
	if !p.IsValid() {
		return nil
	}
	protocol, size := tcpip.NetworkProtocolNumber(header.IPv4ProtocolNumber), p.Bits()
	if p.Addr().Is6() {
		protocol = header.IPv6ProtocolNumber
	}
	address := tcpip.ProtocolAddress{
		Protocol:          protocol,
		AddressWithPrefix: tcpip.AddressWithPrefix{Address: tcpip.AddrFromSlice(p.Addr().AsSlice()), PrefixLen: size},
	}
	if err := r.stack.AddProtocolAddress(nic, address, stack.AddressProperties{}); err != nil {
		return fmt.Errorf("add address %s: %s", p, err)
	}
	r.stack.AddRoute(tcpip.Route{Destination: address.AddressWithPrefix.Subnet(), NIC: nic})
	return nil
}

func (r *router) tune() error {
	sack := tcpip.TCPSACKEnabled(true)
	moderate := tcpip.TCPModerateReceiveBufferOption(true)
	receive := tcpip.TCPReceiveBufferSizeRangeOption{Min: tcp.MinBufferSize, Default: tcpBuffer, Max: tcpBufferMax}
	send := tcpip.TCPSendBufferSizeRangeOption{Min: tcp.MinBufferSize, Default: tcpBuffer, Max: tcpBufferMax}
	for _, option := range []tcpip.SettableTransportProtocolOption{&sack, &moderate, &receive, &send} {
		if err := r.stack.SetTransportProtocolOption(tcp.ProtocolNumber, option); err != nil {
			return fmt.Errorf("set TCP option: %s", err)
		}
	}
	return nil
}

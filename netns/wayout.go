package netns

import (
	"net/netip"
	"os"

	"codeberg.org/hoy/hoy/netns/link"
	"codeberg.org/hoy/hoy/netns/record"
	"codeberg.org/hoy/hoy/netns/uplink"
)

// The user-mode network of a rootless container: slirp4netns' numbers, which people know, when the host does not use them.
const (
	uplinkMTU     = 65520 // one large packet costs what a small one does; nothing of it reaches a wire
	uplinkMAC     = "52:55:0a:00:02:02"
	uplinkGateway = 2 // within the subnet
	uplinkDNS     = 3
	uplinkSelf    = 100
)

var (
	uplinkPools = []candidate{
		{netip.MustParsePrefix("10.0.2.0/24"), 24}, {netip.MustParsePrefix("10.84.0.0/16"), 24}, {netip.MustParsePrefix("172.16.0.0/12"), 24},
	}
	uplinkSix = netip.MustParsePrefix("fd00:686f:79::/64")
)

// WayOut is a rootless container's link to the world, and what is behind it.
type WayOut struct {
	// Device is for uplink.Part.
	Device  *os.File
	Options uplink.Options
	// Endpoint is the container's end, as if it were on a network: for publish.Target, /etc/hosts and `inspect`.
	Endpoint record.Endpoint
}

// NewWayOut makes the link in the container's namespace; mac may be "". The container can start at once: what it sends waits for the stack.
func NewWayOut(ns *os.File, mac string) (*WayOut, error) {
	own, err := link.Open(nil)
	if err != nil {
		return nil, err
	}
	defer own.Close()
	used, err := own.Routes()
	if err != nil {
		return nil, err
	}
	four, err := freePool(uplinkPools, used)
	if err != nil {
		return nil, err
	}
	w := &WayOut{
		Options: uplink.Options{
			MTU: uplinkMTU, MAC: uplinkMAC, Bits4: four.Bits(), Bits6: uplinkSix.Bits(),
			Gateway4: nth(four, uplinkGateway), Gateway6: nth(uplinkSix, uplinkGateway), DNS4: nth(four, uplinkDNS), DNS6: nth(uplinkSix, uplinkDNS),
		},
		Endpoint: record.Endpoint{IPv4: nth(four, uplinkSelf), IPv6: nth(uplinkSix, uplinkSelf), Interface: "eth0"},
	}
	if _, err := os.Stat("/proc/net/if_inet6"); err != nil { // the host has no IPv6
		w.Endpoint.IPv6 = netip.Addr{}
	}
	if w.Endpoint.MAC = mac; mac == "" {
		w.Endpoint.MAC = macOf(w.Endpoint.IPv4)
	}
	w.Device, err = Reconnect(ns, w.Options, w.Endpoint)
	return w, err
}

// Reconnect makes the link of a WayOut, again when who had the device was killed.
func Reconnect(ns *os.File, o uplink.Options, e record.Endpoint) (*os.File, error) {
	i := link.Interface{
		Name: e.Interface, MAC: e.MAC, MTU: o.MTU,
		Addrs: []netip.Prefix{netip.PrefixFrom(e.IPv4, o.Bits4)}, Gateways: []netip.Addr{o.Gateway4},
	}
	if e.IPv6.IsValid() {
		i.Addrs, i.Gateways = append(i.Addrs, netip.PrefixFrom(e.IPv6, o.Bits6)), append(i.Gateways, o.Gateway6)
	}
	return link.NewDevice(ns, i)
}

// nth is the address that many after the prefix's first.
func nth(p netip.Prefix, n int) netip.Addr {
	a := p.Masked().Addr()
	for range n {
		a = a.Next()
	}
	return a
}

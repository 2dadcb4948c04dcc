package netns

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"codeberg.org/hoy/hoy/netns/record"
)

// ParsePublish reads one -p: [[IP:][HOST[-HOST]]:]PORT[-PORT][/tcp|udp|sctp], with brackets around an IPv6 address or without.
// A range of host ports for one container port means one of them. Source: docker/go-connections, nat.ParsePortSpec.
func ParsePublish(s string) ([]record.Port, error) {
	addr, host, container := splitPublish(s)
	ports, protocol, err := splitProtocol(container)
	if err != nil {
		return nil, err
	}
	ip, err := parseHostIP(addr)
	if err != nil {
		return nil, err
	}
	if ports == "" {
		return nil, fmt.Errorf("no port specified: %s<empty>", s)
	}
	from, to, err := parseRange(ports)
	if err != nil {
		return nil, fmt.Errorf("invalid containerPort: %s", ports)
	}
	var first, last uint16
	if host != "" && host != "0" { // 0 is any, as when there is none
		if first, last, err = parseRange(host); err != nil {
			return nil, fmt.Errorf("invalid hostPort: %s", host)
		}
	}
	if first != 0 && last-first != to-from && to != from {
		return nil, fmt.Errorf("invalid ranges specified for container and host Ports: %s and %s", ports, host)
	}
	base := record.Port{HostIP: ip, Protocol: protocol}
	if to == from {
		base.Port, base.HostPort, base.HostEnd = from, first, last
		return []record.Port{base}, nil
	}
	return expand(base, from, to, first), nil
}

// expand gives a range of container ports the host ports from first on, or any when first is 0.
func expand(base record.Port, from, to, first uint16) []record.Port {
	out := make([]record.Port, 0, int(to-from)+1)
	for i := range to - from + 1 {
		p := base
		p.Port = from + i
		if first != 0 {
			p.HostPort, p.HostEnd = first+i, first+i
		}
		out = append(out, p)
	}
	return out
}

// splitPublish cuts from the right: the address may hold colons.
func splitPublish(s string) (ip, host, container string) {
	rest, container, ok := cutLast(s)
	if !ok {
		return "", "", s
	}
	ip, host, ok = cutLast(rest)
	if !ok {
		return "", rest, container
	}
	return ip, host, container
}

func cutLast(s string) (before, after string, found bool) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 {
		return "", s, false
	}
	return s[:i], s[i+1:], true
}

func splitProtocol(s string) (ports, protocol string, err error) {
	ports, protocol, ok := strings.Cut(s, "/")
	if !ok {
		return ports, "tcp", nil
	}
	protocol = strings.ToLower(protocol)
	if !slices.Contains([]string{"tcp", "udp", "sctp"}, protocol) {
		return "", "", fmt.Errorf("invalid proto: %s", protocol)
	}
	return ports, protocol, nil
}

func parseHostIP(s string) (netip.Addr, error) {
	if s == "" {
		return netip.Addr{}, nil
	}
	if len(s) > 1 && s[0] == '[' && s[len(s)-1] == ']' {
		s = s[1 : len(s)-1]
	}
	ip, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("invalid IP address: %s", s)
	}
	return ip.Unmap(), nil
}

func parseRange(s string) (from, to uint16, err error) {
	a, b, ranged := strings.Cut(s, "-")
	from, err = parsePort(a)
	if err != nil || !ranged {
		return from, from, err
	}
	if to, err = parsePort(b); err != nil {
		return 0, 0, err
	}
	if to < from {
		return 0, 0, errors.New("the range ends before it begins")
	}
	return from, to, nil
}

// parsePort refuses port 0, which would mean another thing to the kernel than to the reader.
func parsePort(s string) (uint16, error) {
	v, err := strconv.ParseUint(s, 10, 16)
	if err == nil && v == 0 {
		err = errors.New("port 0")
	}
	return uint16(v), err
}

// PublishAll gives -P's ports: each exposed "80/tcp" on a host port of the kernel's choice, without those already in ports.
func PublishAll(exposed []string, ports []record.Port) ([]record.Port, error) {
	out := slices.Clone(ports)
	for _, e := range exposed {
		more, err := ParsePublish(e)
		if err != nil {
			return nil, err
		}
		for _, p := range more {
			if !slices.ContainsFunc(ports, func(q record.Port) bool { return q.Port == p.Port && q.Protocol == p.Protocol }) {
				out = append(out, p)
			}
		}
	}
	return out, nil
}

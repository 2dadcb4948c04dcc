package cli

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"codeberg.org/hoy/hoy/oci"
)

// parseExtraHost reads --add-host NAME:ADDRESS or NAME=ADDRESS, with or without brackets around an IPv6 address, as "NAME:ADDRESS".
// Source: docker/cli, opts.ValidateExtraHost.
func parseExtraHost(s string) (string, error) {
	name, address, ok := strings.Cut(s, "=")
	if !ok {
		name, address, ok = strings.Cut(s, ":")
	}
	if !ok || name == "" {
		return "", fmt.Errorf("bad format for add-host: %q", s)
	}
	if len(address) > 2 && address[0] == '[' && address[len(address)-1] == ']' {
		address = address[1 : len(address)-1]
	}
	if _, err := netip.ParseAddr(address); err != nil && address != "host-gateway" {
		return "", fmt.Errorf("invalid IP address in add-host: %q", address)
	}
	return name + ":" + address, nil
}

// parseDns reads --dns: an address, or "none" for the image's own /etc/resolv.conf (podman).
func parseDns(s string) (string, error) {
	if s == oci.NoDNS {
		return s, nil
	}
	return parseAddress(s)
}

// parseAddress reads an IP address.
func parseAddress(s string) (string, error) {
	a, err := netip.ParseAddr(strings.TrimSpace(s))
	if err != nil {
		return "", fmt.Errorf("IP address is not correctly formatted: %s", s)
	}
	return a.String(), nil
}

// parseExpose reads --expose PORT[-PORT][/PROTOCOL] as a list of "PORT/PROTOCOL".
func parseExpose(s string) ([]string, error) {
	if strings.Contains(s, ":") {
		return nil, fmt.Errorf("invalid port format for --expose: %s", s)
	}
	ports, protocol, ok := strings.Cut(s, "/")
	if !ok {
		protocol = "tcp"
	}
	switch protocol = strings.ToLower(protocol); protocol {
	case "tcp", "udp", "sctp":
	default:
		return nil, fmt.Errorf("invalid protocol for --expose: %s", s)
	}
	from, to, ranged := strings.Cut(ports, "-")
	first, err := strconv.ParseUint(from, 10, 16)
	last := first
	if err == nil && ranged {
		last, err = strconv.ParseUint(to, 10, 16)
	}
	if err != nil {
		return nil, fmt.Errorf("invalid range format for --expose: %s, error: %w", s, err)
	}
	if last < first {
		return nil, fmt.Errorf("invalid range format for --expose: %s, error: invalid range specified for port: %s", s, ports)
	}
	var out []string
	for p := first; p <= last; p++ {
		out = append(out, fmt.Sprintf("%d/%s", p, protocol))
	}
	return out, nil
}

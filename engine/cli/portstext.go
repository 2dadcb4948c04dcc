package cli

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"codeberg.org/hoy/hoy/netns/record"
)

// portLine is a published or exposed port of the PORTS column, or several that follow each other.
type portLine struct {
	host        netip.Addr // invalid: not published
	first, last uint16     // in the container
	from        uint16     // on the host
	protocol    string
}

// portsText is Docker's PORTS column. Source: docker/cli, formatter.DisplayablePorts.
func portsText(exposed []string, ports []record.Port) string {
	var lines []portLine
	for _, p := range ports {
		hosts := []netip.Addr{p.HostIP}
		if !p.HostIP.IsValid() {
			hosts = []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()}
		}
		for _, h := range hosts {
			lines = append(lines, portLine{h, p.Port, p.Port, p.HostPort, p.Protocol})
		}
	}
	for _, e := range exposed {
		number, protocol, _ := strings.Cut(e, "/")
		n, err := strconv.ParseUint(number, 10, 16)
		if err == nil && !slices.ContainsFunc(ports, func(p record.Port) bool { return p.Port == uint16(n) && p.Protocol == protocol }) {
			lines = append(lines, portLine{first: uint16(n), last: uint16(n), protocol: protocol})
		}
	}
	slices.SortFunc(lines, func(a, b portLine) int {
		return cmp.Or(cmp.Compare(a.protocol, b.protocol), a.host.Compare(b.host), cmp.Compare(a.first, b.first))
	})
	var words []string
	for _, l := range joinLines(lines) {
		words = append(words, l.String())
	}
	return strings.Join(words, ", ")
}

// joinLines makes one of neighbours.
func joinLines(lines []portLine) []portLine {
	var out []portLine
	for _, l := range lines {
		if n := len(out) - 1; n >= 0 && out[n].follows(l) {
			out[n].last = l.last
			continue
		}
		out = append(out, l)
	}
	return out
}

func (l portLine) follows(next portLine) bool {
	return l.host == next.host && l.protocol == next.protocol && next.first == l.last+1 &&
		(!l.host.IsValid() || next.from == l.from+(next.first-l.first))
}

func (l portLine) String() string {
	inner := span(l.first, l.last) + "/" + l.protocol
	if !l.host.IsValid() {
		return inner
	}
	return net.JoinHostPort(l.host.String(), span(l.from, l.from+(l.last-l.first))) + "->" + inner
}

func span(first, last uint16) string {
	if first == last {
		return strconv.Itoa(int(first))
	}
	return fmt.Sprintf("%d-%d", first, last)
}

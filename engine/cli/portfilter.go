package cli

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"codeberg.org/hoy/hoy/engine"
	"codeberg.org/hoy/hoy/netns/record"
)

// portRange is a value of the filters `publish` and `expose`: PORT[-PORT][/PROTOCOL].
type portRange struct {
	first, last uint16
	protocol    string
}

func parsePortFilter(s string) (r portRange, err error) {
	ports, err := parseExpose(s)
	if err != nil {
		return r, err
	}
	for i, p := range ports {
		number, protocol, _ := strings.Cut(p, "/")
		n, err := strconv.ParseUint(number, 10, 16)
		if err != nil {
			return r, fmt.Errorf("invalid port %s", number)
		}
		if i == 0 {
			r.first, r.protocol = uint16(n), protocol
		}
		r.last = uint16(n)
	}
	return r, nil
}

func (r portRange) has(port uint16, protocol string) bool {
	return r.first <= port && port <= r.last && r.protocol == protocol
}

// fitsPorts looks at `publish`, which is about the ports of the host or of the container that are published, and at `expose`, which is
// about all that the container names. Source: moby, daemon/list.go.
func (f filters) fitsPorts(c *engine.Container, published []record.Port) bool {
	return f.match("publish", func(v string) bool {
		r, _ := parsePortFilter(v) // checked before
		return slices.ContainsFunc(published, func(p record.Port) bool { return r.has(p.Port, p.Protocol) || r.has(p.HostPort, p.Protocol) })
	}) && f.match("expose", func(v string) bool {
		r, _ := parsePortFilter(v)
		return slices.ContainsFunc(c.Config.Ports, func(p string) bool {
			number, protocol, _ := strings.Cut(p, "/")
			n, err := strconv.ParseUint(number, 10, 16)
			return err == nil && r.has(uint16(n), protocol)
		})
	})
}

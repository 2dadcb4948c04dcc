package build

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
)

func (d *dispatcher) expose(c *instructions.ExposeCommand) error {
	var ports []string
	for _, word := range c.Ports {
		specs, err := d.plan.lex.ProcessWords(word, d.stage.env)
		if err != nil {
			return err
		}
		for _, s := range specs {
			more, err := d.port(c, s)
			if err != nil {
				return err
			}
			ports = append(ports, more...)
		}
	}
	config := &d.stage.config.Config
	if config.ExposedPorts == nil {
		config.ExposedPorts = map[string]struct{}{}
	}
	for _, p := range ports {
		config.ExposedPorts[p] = struct{}{}
	}
	d.stage.config.commit(fmt.Sprintf("EXPOSE %v", ports), false)
	return nil
}

// port reads [ip:][host:]port[-port][/proto] and gives a "port/proto" for each port. What stands before the last colon has never
// meant anything; it is checked as BuildKit does.
func (d *dispatcher) port(c instructions.Command, spec string) ([]string, error) {
	ip, host, ports := splitPort(spec)
	ports, proto, _ := strings.Cut(ports, "/")
	lower := strings.ToLower(proto)
	switch {
	case ports == "":
		return nil, fmt.Errorf("invalid port: %q: no port specified", spec)
	case lower == "":
		lower = "tcp"
	case lower != "tcp" && lower != "udp" && lower != "sctp":
		return nil, fmt.Errorf("invalid port: %q: invalid proto: %s", spec, proto)
	}
	if proto != strings.ToLower(proto) {
		d.lint.Run(&linter.RuleExposeProtoCasing, c.Location(), linter.RuleExposeProtoCasing.Format(spec))
	}
	if ip != "" || host != "" {
		d.lint.Run(&linter.RuleExposeInvalidFormat, c.Location(), linter.RuleExposeInvalidFormat.Format(spec))
	}
	if _, err := netip.ParseAddr(strings.Trim(ip, "[]")); ip != "" && err != nil {
		return nil, errors.New("invalid IP address: " + ip)
	}
	first, last, err := portRange(ports)
	if err != nil {
		return nil, errors.New("invalid containerPort: " + ports)
	}
	if host != "" {
		a, b, err := portRange(host)
		if err != nil {
			return nil, errors.New("invalid hostPort: " + host)
		}
		if b-a != last-first && first != last {
			return nil, fmt.Errorf("invalid ranges specified for container and host Ports: %s and %s", ports, host)
		}
	}
	var out []string
	for p := first; p <= last; p++ {
		out = append(out, strconv.Itoa(p)+"/"+lower)
	}
	return out, nil
}

func splitPort(spec string) (ip, host, port string) {
	i := strings.LastIndexByte(spec, ':')
	if i < 0 {
		return "", "", spec
	}
	spec, port = spec[:i], spec[i+1:]
	if i = strings.LastIndexByte(spec, ':'); i < 0 {
		return "", spec, port
	}
	return spec[:i], spec[i+1:], port
}

func portRange(s string) (first, last int, err error) {
	a, b, isRange := strings.Cut(s, "-")
	if first, err = portNumber(a); err != nil || !isRange {
		return first, first, err
	}
	last, err = portNumber(b)
	if err == nil && last < first {
		err = fmt.Errorf("invalid port range: %s", s)
	}
	return first, last, err
}

func portNumber(s string) (int, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	return int(n), err
}

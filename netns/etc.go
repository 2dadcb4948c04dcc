package netns

import (
	"fmt"
	"net/netip"
	"os"
	"strings"

	"codeberg.org/hoy/hoy/netns/dns"
)

// The host's names inside of containers: Docker's and podman's.
var hostNames = []string{"host.docker.internal", "host.containers.internal"}

// Etc is what a container's /etc/hosts and /etc/resolv.conf say.
type Etc struct {
	Hostname    string
	Domainname  string
	Addrs       []netip.Addr // the container's own
	HostGateway netip.Addr   // invalid: the host has no name
	ExtraHosts  []string     // --add-host: "name:address", address may be "host-gateway"
	// Search and Options are --dns-search and --dns-option; --dns is dns.Options.Servers. Without search or options the host's are taken; a search of "." is none.
	Search, Options []string
	// HostConf is the host's resolv.conf, "" for /etc/resolv.conf.
	HostConf string
}

// Hosts gives the content of /etc/hosts, as Docker writes it, with the host's names.
func (e Etc) Hosts() ([]byte, error) {
	var b strings.Builder
	b.WriteString("127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::\tip6-localnet\nff00::\tip6-mcastprefix\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n")
	for _, extra := range e.ExtraHosts {
		name, address, ok := strings.Cut(extra, ":")
		if address == "host-gateway" {
			if !e.HostGateway.IsValid() {
				return nil, fmt.Errorf("add host %s: the container's networks do not reach the host", name)
			}
			address = e.HostGateway.String()
		}
		if !ok || name == "" || address == "" {
			return nil, fmt.Errorf("add host %q: use name:address", extra)
		}
		fmt.Fprintf(&b, "%s\t%s\n", address, name)
	}
	if e.HostGateway.IsValid() {
		fmt.Fprintf(&b, "%s\t%s\n", e.HostGateway, strings.Join(hostNames, " "))
	}
	if e.Hostname == "" {
		return []byte(b.String()), nil
	}
	names := e.Hostname
	if e.Domainname != "" {
		names = e.Hostname + "." + e.Domainname + " " + e.Hostname
	}
	for _, a := range e.Addrs {
		fmt.Fprintf(&b, "%s\t%s\n", a, names)
	}
	return []byte(b.String()), nil
}

// ResolvConf gives the content of /etc/resolv.conf: hoy's name service, and what the user or else the host says of the rest.
// Names without a dot are asked as they are first, so that containers are found before a search domain is tried.
func (e Etc) ResolvConf() ([]byte, error) {
	path := e.HostConf
	if path == "" {
		path = "/etc/resolv.conf"
	}
	conf, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	search, options := e.Search, e.Options
	if len(search) == 0 {
		search = words(string(conf), "search")
	}
	if len(search) == 1 && search[0] == "." {
		search = nil
	}
	if len(options) == 0 {
		options = append(without(words(string(conf), "options"), "ndots:"), "ndots:0")
	}
	out := "nameserver " + dns.Address.String() + "\n"
	if len(search) > 0 {
		out += "search " + strings.Join(search, " ") + "\n"
	}
	return []byte(out + "options " + strings.Join(options, " ") + "\n"), nil
}

// words gives what follows a keyword of a resolv.conf(5). The last line with it counts.
func words(conf, keyword string) []string {
	var out []string
	for line := range strings.Lines(conf) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == keyword {
			out = fields[1:]
		}
	}
	return out
}

func without(words []string, prefix string) []string {
	var out []string
	for _, w := range words {
		if !strings.HasPrefix(w, prefix) {
			out = append(out, w)
		}
	}
	return out
}

package engine

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"

	"codeberg.org/hoy/hoy/oci"
)

// writeEtc writes the files that a container's network and name make: hosts, hostname and resolv.conf. They are made anew at each start,
// in the run directory, and mounted over the image's. The result maps the path in the container to the file.
func (e *Engine) writeEtc(c *Container) (map[string]string, error) {
	files := map[string][]byte{"hostname": []byte(hostname(c) + "\n")}
	var err error
	if files["hosts"], files["resolv.conf"], err = networkEtc(c); err != nil {
		return nil, err
	}
	if c.Config.NoHosts {
		delete(files, "hosts")
	}
	if slices.Contains(c.Config.Dns, oci.NoDNS) {
		delete(files, "resolv.conf")
	}
	if err := addLocaltime(files, c.Config.Timezone); err != nil {
		return nil, err
	}
	etc := make(map[string]string, len(files))
	for name, data := range files {
		path := c.place.RunFile(name)
		if err := writeWorldReadable(path, data); err != nil {
			return nil, err
		}
		if err := c.own(path); err != nil {
			return nil, err
		}
		etc["/etc/"+name] = path
	}
	return etc, nil
}

// own gives a file to the container's root.
func (c *Container) own(path string) error {
	if c.Config.IDMap == nil {
		return nil
	}
	uid, _ := c.Config.IDMap.UID(0)
	gid, _ := c.Config.IDMap.GID(0)
	return os.Chown(path, int(uid), int(gid))
}

// networkEtc gives hosts and resolv.conf.
func networkEtc(c *Container) (hosts, conf []byte, err error) {
	make := []func() ([]byte, error){
		func() ([]byte, error) { return hostsFile(c) }, func() ([]byte, error) { return resolvFile(c) },
	}
	switch n := c.network; {
	case n != nil && n.etc != nil:
		make[0], make[1] = n.etc.Hosts, n.etc.ResolvConf
	case n != nil && n.shared != nil:
		for i, name := range []string{"hosts", "resolv.conf"} {
			make[i] = func() ([]byte, error) { return os.ReadFile(n.shared.place.RunFile(name)) }
		}
	}
	if hosts, err = make[0](); err == nil {
		conf, err = make[1]()
	}
	return hosts, conf, err
}

// writeWorldReadable writes a file that all users of the container may read, whatever the umask. Nobody reads it yet.
func writeWorldReadable(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Chmod(0o644), f.Close())
}

// hostname is the name that the container sees as its own.
func hostname(c *Container) string {
	if c.Config.Hostname != "" {
		return c.Config.Hostname
	}
	if c.Config.UTSMode == "host" || c.Config.Network == "host" {
		if name, err := os.Hostname(); err == nil {
			return name
		}
	}
	return c.ID()[:12]
}

// hostsHead is what Docker writes at the top of each container's hosts file (moby libnetwork/etchosts).
const hostsHead = `127.0.0.1	localhost
::1	localhost ip6-localhost ip6-loopback
fe00::	ip6-localnet
ff00::	ip6-mcastprefix
ff02::1	ip6-allnodes
ff02::2	ip6-allrouters
`

// hostsFile is the container's /etc/hosts: with the host's network the host's, and --add-host.
func hostsFile(c *Container) ([]byte, error) {
	out := []byte(hostsHead)
	if c.Config.Network == "host" {
		host, err := os.ReadFile("/etc/hosts")
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
		out = host
	}
	for _, extra := range c.Config.ExtraHosts {
		name, address, ok := strings.Cut(extra, ":")
		if !ok {
			return nil, fmt.Errorf("bad format for add-host: %q", extra)
		}
		if address == "host-gateway" {
			if c.Config.Network != "host" {
				return nil, fmt.Errorf("add host %s: the container's network does not reach the host", name)
			}
			address = "127.0.0.1"
		}
		out = fmt.Appendf(out, "%s\t%s\n", address, name)
	}
	return out, nil
}

// resolvFile is the container's /etc/resolv.conf: the host's, with what --dns, --dns-search and --dns-option replace. In a network of
// the container's own a name server on a loopback address of the host is out of reach and left out (moby libnetwork/resolvconf).
func resolvFile(c *Container) ([]byte, error) {
	host, err := readResolv("/etc/resolv.conf")
	if err != nil {
		return nil, err
	}
	if c.Config.Network != "host" {
		if host.onlyLoopback() { // systemd-resolved keeps the real ones here
			if real, err := readResolv("/run/systemd/resolve/resolv.conf"); err == nil && len(real.servers) > 0 {
				host = real
			}
		}
		host.servers = slices.DeleteFunc(host.servers, isLoopback)
	}
	if len(c.Config.Dns) > 0 {
		host.servers = c.Config.Dns
	}
	if len(c.Config.DnsSearch) > 0 {
		host.search = c.Config.DnsSearch
	}
	if len(c.Config.DnsOptions) > 0 {
		host.options = c.Config.DnsOptions
	}
	return host.bytes(), nil
}

// resolv is what a resolv.conf(5) says.
type resolv struct {
	servers, search, options []string
}

func readResolv(path string) (resolv, error) {
	var r resolv
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return r, nil
	}
	if err != nil {
		return r, err
	}
	lines := bufio.NewScanner(bytes.NewReader(data))
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		if len(words) < 2 {
			continue
		}
		switch words[0] {
		case "nameserver":
			r.servers = append(r.servers, words[1])
		case "search", "domain": // the last one counts
			r.search = words[1:]
		case "options":
			r.options = append(r.options, words[1:]...)
		}
	}
	return r, lines.Err()
}

func (r *resolv) onlyLoopback() bool {
	return len(r.servers) > 0 && !slices.ContainsFunc(r.servers, func(s string) bool { return !isLoopback(s) })
}

func isLoopback(server string) bool {
	a, err := netip.ParseAddr(server)
	return err == nil && a.IsLoopback()
}

func (r *resolv) bytes() []byte {
	var b []byte
	for _, s := range r.servers {
		b = fmt.Appendf(b, "nameserver %s\n", s)
	}
	if len(r.search) > 0 && !slices.Equal(r.search, []string{"."}) { // --dns-search=. means none
		b = fmt.Appendf(b, "search %s\n", strings.Join(r.search, " "))
	}
	if len(r.options) > 0 {
		b = fmt.Appendf(b, "options %s\n", strings.Join(r.options, " "))
	}
	return b
}

// etcPath is the file mounted at /etc/name in a container that runs.
func (c *Container) etcPath(name string) string {
	if c.Running() {
		return c.place.RunFile(name)
	}
	return ""
}

package netns

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"time"

	"codeberg.org/hoy/hoy/netns/link"
	"codeberg.org/hoy/hoy/netns/record"
)

// CreateOptions are the flags of `network create`.
type CreateOptions struct {
	Name     string
	Driver   string        // "" is bridge
	Pools    []record.Pool // Subnet, and what of the rest was given; families without one get theirs from hoy's pools
	IPv6     bool
	Internal bool
	Labels   map[string]string
	// Options: "parent", "macvlan_mode", "ipvlan_mode", "com.docker.network.bridge.name", "com.docker.network.driver.mtu" (or
	// "mtu") have a meaning; the rest is kept.
	Options map[string]string
}

// The options that have a meaning, as Docker and podman spell them.
const (
	optBridgeName = "com.docker.network.bridge.name"
	optMTU        = "com.docker.network.driver.mtu"
	optMTUShort   = "mtu"
	optParent     = "parent"
)

// validName holds a name against Docker's rule, [a-zA-Z0-9][a-zA-Z0-9_.-]*. It is also a safe name of a file.
func validName(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		if !letter && (i == 0 || !strings.ContainsRune("_.-", rune(c))) {
			return false
		}
	}
	return s != ""
}

// Create makes a network's definition. Its links come with its first container.
// Errors: ErrExists, ErrOverlap, ErrAddress, and what is wrong with the options.
func (n *Networks) Create(o CreateOptions) (*record.Network, error) {
	if err := checkCreate(&o); err != nil {
		return nil, err
	}
	if o.Driver != record.Bridge && n.private() {
		return nil, refuse(ErrNotRoot, "a %s network needs root: its link %s is the host's", o.Driver, o.Options[optParent])
	}
	lock, err := n.dir.Lock()
	if err != nil {
		return nil, err
	}
	defer lock.Close()
	all, err := n.dir.All()
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(all, func(x *record.Network) bool { return x.Name == o.Name }) || o.Name == record.Default {
		return nil, refuse(ErrExists, "network with name %s already exists", o.Name)
	}
	return n.define(o, all)
}

func checkCreate(o *CreateOptions) error {
	if o.Driver == "" {
		o.Driver = record.Bridge
	}
	if !slices.Contains([]string{record.Bridge, record.Macvlan, record.Ipvlan}, o.Driver) {
		return fmt.Errorf("unknown network driver %q: use bridge, macvlan or ipvlan", o.Driver)
	}
	if !validName(o.Name) || len(o.Name) > 200 {
		return fmt.Errorf("invalid network name %q: at most 200 letters, digits, '_', '.' and '-'", o.Name)
	}
	if slices.Contains([]string{"host", "none", "default", "container", "private", "ns", "slirp4netns", "pasta"}, o.Name) {
		return refuse(ErrExists, "operation is not permitted on predefined %s network", o.Name)
	}
	if o.Driver != record.Bridge {
		if o.Options[optParent] == "" {
			return fmt.Errorf("a %s network needs a parent link: -o parent=NAME", o.Driver)
		}
		return link.CheckMode(o.Driver, o.Options[o.Driver+"_mode"])
	}
	if name := o.Options[optBridgeName]; len(name) > 15 || strings.ContainsAny(name, "/ ") {
		return fmt.Errorf("invalid bridge name %q: at most 15 characters, none of them '/' or a blank", name)
	}
	_, err := mtuOf(o.Options)
	return err
}

// define fills in what the user left open, and writes the file. The caller holds the lock.
func (n *Networks) define(o CreateOptions, all []*record.Network) (*record.Network, error) {
	links, err := link.Open(n.o.Host)
	if err != nil {
		return nil, err
	}
	defer links.Close()
	x := &record.Network{
		Name: o.Name, ID: newID(), Created: time.Now().UTC(), Driver: o.Driver, Internal: o.Internal, IPv6: o.IPv6,
		Labels: maps.Clone(o.Labels), Options: maps.Clone(o.Options), Endpoints: map[string]*record.Endpoint{},
	}
	if x.Pools, err = n.pools(o, x.ID, all, links); err != nil {
		return nil, err
	}
	x.IPv6 = x.Pool6() != nil
	x.Bridge = bridgeName(x, n.o.Instance)
	if i := slices.IndexFunc(all, func(y *record.Network) bool { return y.Driver == record.Bridge && y.Bridge == x.Bridge }); x.Driver == record.Bridge && i >= 0 {
		return nil, refuse(ErrExists, "bridge %s belongs to network %s", x.Bridge, all[i].Name)
	}
	return x, n.dir.Save(x)
}

func bridgeName(x *record.Network, instance string) string {
	switch {
	case x.Driver != record.Bridge:
		return x.Options[optParent]
	case x.Options[optBridgeName] != "":
		return x.Options[optBridgeName]
	case x.Name == record.Default:
		return instanceName(record.DefaultBridge, instance)
	}
	return "br-" + x.ID[:12]
}

// ensureDefault gives the default network, which the first container makes. It has IPv6 when the host has a way out by it. The
// caller holds the lock.
func (n *Networks) ensureDefault() (*record.Network, error) {
	x, err := n.dir.Load(record.Default)
	if !errors.Is(err, fs.ErrNotExist) {
		return x, err
	}
	all, err := n.dir.All()
	if err != nil {
		return nil, err
	}
	links, err := link.Open(n.o.Host)
	if err != nil {
		return nil, err
	}
	defer links.Close()
	_, six, err := links.Reach()
	if err != nil {
		return nil, err
	}
	return n.define(CreateOptions{Name: record.Default, Driver: record.Bridge, IPv6: six}, all)
}

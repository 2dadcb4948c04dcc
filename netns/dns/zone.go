package dns

import (
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"codeberg.org/hoy/hoy/netns/record"
)

// settled is how old a change of the directory must be before it is certain that no second one has the same time.
const settled = 50 * time.Millisecond

// zone is what one container may know of names, read again whenever the files have changed.
type zone struct {
	dir       record.Dir
	container string

	mu     sync.Mutex
	seen   time.Time // the directory's change that names are of; zero: none
	names  map[string][]netip.Addr
	owners map[netip.Addr]string
	inner  bool // every network is internal: nothing is asked of anybody else
}

// view is the zone at one time. It is never changed.
type view struct {
	names  map[string][]netip.Addr
	owners map[netip.Addr]string
	inner  bool
}

// now gives the zone as the files say. When they cannot be read it stays as it was.
func (z *zone) now() view {
	z.mu.Lock()
	defer z.mu.Unlock()
	changed := dirTime(string(z.dir))
	if changed.IsZero() || !changed.Equal(z.seen) {
		if all, err := z.dir.All(); err == nil {
			z.fill(all)
			z.seen = time.Time{}
			if time.Since(changed) > settled {
				z.seen = changed
			}
		}
	}
	return view{z.names, z.owners, z.inner}
}

// dirTime is when a name in the directory changed last: every change of a network is a rename.
func dirTime(path string) time.Time {
	info, err := os.Stat(path)
	if err != nil {
		return time.Time{}
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return time.Unix(st.Ctim.Unix())
	}
	return info.ModTime()
}

func (z *zone) fill(all []*record.Network) {
	z.names, z.owners = map[string][]netip.Addr{}, map[netip.Addr]string{}
	on, internal := 0, 0
	for _, n := range all {
		own := n.Endpoints[z.container]
		if own == nil {
			continue
		}
		on++
		if n.Internal {
			internal++
		}
		for _, e := range n.Endpoints {
			if n.Name != record.Default { // as Docker: there, containers find each other by --link only
				z.addEndpoint(n, e)
			}
			for alias, id := range own.Links {
				if id == e.Container {
					z.add(alias, e)
				}
			}
		}
	}
	z.inner = on > 0 && on == internal
}

func (z *zone) addEndpoint(n *record.Network, e *record.Endpoint) {
	for _, name := range append([]string{e.Name, e.Container, e.Container[:min(12, len(e.Container))]}, e.Aliases...) {
		z.add(name, e)
		z.add(name+"."+n.Name, e)
	}
	for _, a := range []netip.Addr{e.IPv4, e.IPv6} {
		if a.IsValid() {
			z.owners[a] = e.Name + "." + n.Name
		}
	}
}

func (z *zone) add(name string, e *record.Endpoint) {
	name = strings.ToLower(name)
	if _, known := z.names[name]; !known {
		z.names[name] = nil
	}
	for _, a := range []netip.Addr{e.IPv4, e.IPv6} {
		if a.IsValid() && !slices.Contains(z.names[name], a) {
			z.names[name] = append(z.names[name], a)
		}
	}
}

// lookup answers a question from the zone; false when another server is to be asked. A name that hoy knows is never asked of
// another: it has the records that hoy knows, and no others.
func (v view) lookup(q question) (answer, bool) {
	if a, ok := parseReverse(q.name); ok && q.kind == typePTR {
		name, known := v.owners[a]
		return answer{name: name}, known
	}
	addrs, known := v.names[q.name]
	if !known {
		return answer{}, false
	}
	var out []netip.Addr
	for _, a := range addrs {
		if q.kind == typeANY || a.Is4() && q.kind == typeA || a.Is6() && q.kind == typeAAAA {
			out = append(out, a)
		}
	}
	return answer{addrs: out}, true
}

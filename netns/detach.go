package netns

import (
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"slices"

	"codeberg.org/hoy/hoy/netns/link"
	"codeberg.org/hoy/hoy/netns/nft"
	"codeberg.org/hoy/hoy/netns/record"
	"codeberg.org/hoy/hoy/netns/zone"
)

// Detach takes a container off all networks: addresses, ports, links and, of networks without another container, bridges and
// rules. A container that is on none is no error, so it may be called for every container that ended.
func (n *Networks) Detach(container string) error {
	return n.leave(container, func(*record.Network) bool { return true })
}

// Disconnect takes a container off one network. Errors: ErrNoNetwork, ErrNotOn.
func (n *Networks) Disconnect(container, network string) error {
	x, err := n.Find(network)
	if err != nil {
		return err
	}
	if x.Endpoints[container] == nil {
		return refuse(ErrNotOn, "container %s is not connected to network %s", container, x.Name)
	}
	return n.leave(container, func(y *record.Network) bool { return y.Name == x.Name })
}

// leave takes the container off the networks that from chooses.
func (n *Networks) leave(container string, from func(*record.Network) bool) error {
	return n.withLock(func() error {
		all, err := n.dir.All()
		if err != nil {
			return err
		}
		return n.drop(all, func(x *record.Network, id string) bool { return id == container && from(x) })
	})
}

// undo takes back what register did. The caller holds the lock.
func (n *Networks) undo(container string, joined []Joined, all []*record.Network) error {
	return n.drop(all, func(x *record.Network, id string) bool {
		return id == container && slices.ContainsFunc(joined, func(j Joined) bool { return j.Network == x })
	})
}

// Heal takes off all networks the containers that nobody keeps: what killed monitors and commands left behind. Every Attach does it too.
// What the kernel has of this root that its files do not know of goes as well, be it that the root is gone.
func (n *Networks) Heal() error {
	if _, err := os.Stat(n.o.Root); errors.Is(err, fs.ErrNotExist) {
		return n.sweep(nil)
	}
	return n.withLock(func() error {
		all, err := n.dir.All()
		if err != nil {
			return err
		}
		if err := n.healAll(all); err != nil {
			return err
		}
		return n.sweep(all)
	})
}

// Stale says whether the files have a container that nobody keeps, so that Heal has something to do.
func (n *Networks) Stale() bool {
	all, err := n.dir.All()
	if err != nil {
		return false
	}
	for _, x := range all {
		for id := range x.Endpoints {
			if !n.o.Alive(id) {
				return true
			}
		}
	}
	return false
}

// sweep removes links that no container on a network needs, and the rules when there is none at all. The caller holds the lock, so no attach
// or detach is half done by anybody who lives.
func (n *Networks) sweep(all []*record.Network) error {
	if n.o.FilesOnly {
		return nil
	}
	links, err := link.Open(n.o.Host)
	if err != nil {
		return err
	}
	defer links.Close()
	needed := map[string]bool{}
	for _, x := range all {
		for _, e := range x.Endpoints {
			needed[x.Bridge], needed[e.Link] = true, true
		}
	}
	err = links.RemoveMarked(n.mark(), func(name string) bool { return needed[name] })
	if len(needed) > 0 {
		return err
	}
	table := nft.Table{Name: n.table(), NS: n.o.Host}
	there, failed := table.Present()
	if there {
		failed = table.Replace(nft.Ruleset{})
	}
	return errors.Join(err, failed)
}

func (n *Networks) healAll(all []*record.Network) error {
	return n.drop(all, func(_ *record.Network, id string) bool { return !n.o.Alive(id) })
}

// forget is healAll for who cannot wait: when Heal is about to come the dead are taken out of the files alone. Their links go with their
// namespaces, or then; their rules with the change that the caller makes to before. gone are their addresses, which may still answer for some
// milliseconds.
func (n *Networks) forget(all []*record.Network) (gone []netip.Addr, before nft.Ruleset, err error) {
	if n.o.Healing == nil || !n.o.Healing() {
		err := n.healAll(all)
		return nil, rules(all), err
	}
	before = rules(all)
	for _, x := range all {
		had := len(x.Endpoints)
		for id, e := range x.Endpoints {
			if !n.o.Alive(id) {
				gone = append(gone, e.IPv4, e.IPv6)
				delete(x.Endpoints, id)
			}
		}
		if len(x.Endpoints) < had {
			if err := n.dir.SaveEndpoints(x); err != nil {
				return nil, before, err
			}
		}
	}
	return gone, before, nil
}

// drop takes off the networks, in memory, on disk and in the kernel, the endpoints that are chosen. The caller holds the lock.
// all is every network, for the rules are replaced whole. The file is written last: what is interrupted before is done again.
func (n *Networks) drop(all []*record.Network, gone func(x *record.Network, container string) bool) error {
	before := rules(all)
	changed := map[*record.Network][]*record.Endpoint{}
	for _, x := range all {
		for id, e := range x.Endpoints {
			if gone(x, id) {
				changed[x] = append(changed[x], e)
				delete(x.Endpoints, id)
			}
		}
	}
	if len(changed) == 0 {
		return nil
	}
	if !n.o.FilesOnly {
		filtered := make(chan error, 1) // beside the links: each waits some 10 ms for the kernel to let go
		go func() {
			err := n.filter(before, rules(all))
			if errors.Is(err, nft.ErrUnsupported) { // there are no rules to take away, and the endpoint of a failed Attach is to go
				err = nil
			}
			filtered <- err
		}()
		if err := errors.Join(n.lower(changed), <-filtered); err != nil {
			return err
		}
	}
	for x := range changed {
		if err := n.dir.SaveEndpoints(x); err != nil {
			return err
		}
	}
	return nil
}

// lower removes the endpoints' links, and the bridges of networks that have no endpoint left.
func (n *Networks) lower(changed map[*record.Network][]*record.Endpoint) error {
	links, err := link.Open(n.o.Host)
	if err != nil {
		return err
	}
	defer links.Close()
	var bridges []string
	for x, ends := range changed {
		if x.Driver != record.Bridge {
			continue
		}
		if len(x.Endpoints) == 0 {
			bridges = append(bridges, x.Bridge)
			err = errors.Join(err, links.RemoveBridge(n.bridge(x))) // and with it most of the rest
		}
		for _, e := range ends {
			err = errors.Join(err, links.Remove(e.Link))
		}
	}
	if n.ofHost() {
		zone.Remove(bridges) // with the lock, though it waits: whoever makes the bridge again adds it afterwards
	}
	return err
}

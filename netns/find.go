package netns

import (
	"fmt"
	"maps"
	"slices"
	"strconv"

	"codeberg.org/hoy/hoy/netns/record"
)

// List gives every network, in the order of their names, with the default one whether or not a container has made it yet.
// Endpoints of dead containers are left out.
func (n *Networks) List() ([]*record.Network, error) {
	if err := n.withLock(func() error { _, err := n.ensureDefault(); return err }); err != nil {
		return nil, err
	}
	all, err := n.dir.All()
	if err != nil {
		return nil, err
	}
	for _, x := range all {
		maps.DeleteFunc(x.Endpoints, func(id string, _ *record.Endpoint) bool { return !n.o.Alive(id) })
	}
	return all, nil
}

// Find gives the network of that name, id, or unique beginning of an id; "default" is the default one. Endpoints of dead
// containers are left out. Errors: ErrNoNetwork, ErrAmbiguous.
func (n *Networks) Find(ref string) (*record.Network, error) {
	all, err := n.List()
	if err != nil {
		return nil, err
	}
	return pick(ref, all)
}

// On says whether the files have the container on a network, dead or alive.
func (n *Networks) On(container string) bool {
	all, err := n.dir.All()
	return err == nil && slices.ContainsFunc(all, func(x *record.Network) bool { return x.Endpoints[container] != nil })
}

// Remove removes a network that no container is on. Errors: ErrNoNetwork, ErrInUse, ErrPredefined.
func (n *Networks) Remove(ref string) error {
	return n.withLock(func() error {
		all, err := n.dir.All()
		if err != nil {
			return err
		}
		if err := n.healAll(all); err != nil {
			return err
		}
		x, err := pick(ref, all)
		if err != nil {
			return err
		}
		return n.remove(x)
	})
}

func (n *Networks) remove(x *record.Network) error {
	if x.Name == record.Default {
		return refuse(ErrPredefined, "%s is a pre-defined network and cannot be removed", x.Name)
	}
	for _, e := range x.Endpoints {
		return refuse(ErrInUse, "network %s has active endpoints (name:%q id:%q)", x.Name, e.Name, e.Container[:min(12, len(e.Container))])
	}
	return n.dir.Remove(x.Name)
}

// Prune removes the networks without containers for which unwanted gives true. It gives their names.
func (n *Networks) Prune(unwanted func(*record.Network) bool) (removed []string, err error) {
	err = n.withLock(func() error {
		all, err := n.dir.All()
		if err != nil {
			return err
		}
		if err := n.healAll(all); err != nil {
			return err
		}
		for _, x := range all {
			if x.Name == record.Default || len(x.Endpoints) > 0 || !unwanted(x) {
				continue
			}
			if err := n.remove(x); err != nil {
				return err
			}
			removed = append(removed, x.Name)
		}
		return nil
	})
	return removed, err
}

func (n *Networks) withLock(f func() error) error {
	lock, err := n.dir.Lock()
	if err != nil {
		return err
	}
	defer lock.Close()
	return f()
}

// mtuOf reads the MTU of a network's options; 0 when there is none.
func mtuOf(options map[string]string) (int, error) {
	s := options[optMTU]
	if s == "" {
		s = options[optMTUShort]
	}
	if s == "" {
		return 0, nil
	}
	v, err := strconv.Atoi(s)
	if err != nil || v < 68 || v > 65535 {
		return 0, fmt.Errorf("invalid MTU %q: use a number from 68 to 65535", s)
	}
	return v, nil
}

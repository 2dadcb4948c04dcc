package netns

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"codeberg.org/hoy/hoy/netns/record"
	"codeberg.org/hoy/hoy/netns/record/live"
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
	return live.On(n.o.Root, container)
}

// Rename gives a container another name on its networks, from now on. One that is on none is no error.
func (n *Networks) Rename(container, name string) error {
	if !n.On(container) {
		return nil
	}
	return n.withLock(func() error {
		all, err := n.dir.All()
		if err != nil {
			return err
		}
		for _, x := range all {
			if e := x.Endpoints[container]; e != nil {
				e.Name = name
				err = errors.Join(err, n.dir.SaveEndpoints(x))
			}
		}
		return err
	})
}

// Containers are those that the files have on a network, dead or alive.
func (n *Networks) Containers() []string {
	all, err := n.dir.All()
	if err != nil {
		return nil
	}
	var ids []string
	for _, x := range all {
		ids = slices.AppendSeq(ids, maps.Keys(x.Endpoints))
	}
	return ids
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

// mtu is that of a network's links; 0: the kernel's. An ordinary user's networks never reach a wire: there one large packet costs what a small one does.
func (n *Networks) mtu(x *record.Network) int {
	mtu, _ := mtuOf(x.Options) // checked when the network was created
	if mtu == 0 && n.private() {
		return uplinkMTU
	}
	return mtu
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

package monitor

import (
	"errors"
	"os"

	"codeberg.org/hoy/hoy/cgroups/group"
	"codeberg.org/hoy/hoy/oci/runtime"
)

// groupFile names the container's control groups, when it has any. It is in the run directory: they do not outlive a boot either.
const groupFile = "cgroup"

// Group gives the container's control groups; nil without any.
func (p Place) Group() (*group.Group, error) {
	g := new(group.Group)
	err := ReadJSON(p.RunFile(groupFile), g, group.Version)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return g, nil
}

// WriteGroup records the container's control groups, before they are made, or with nil that there are none.
func WriteGroup(p Place, g *group.Group) error {
	if g == nil {
		return os.Remove(p.RunFile(groupFile))
	}
	return WriteJSON(p.RunFile(groupFile), g, Fleeting)
}

// RemoveRunDir removes the container's directory of this boot and its control groups, under its lock.
func RemoveRunDir(p Place) error {
	g, err := p.Group()
	return errors.Join(err, g.Remove(), RemoveTree(p.RunDir()))
}

// enter adds to o what brings the new process into the container's control groups, or into the one that filters its devices. done is called when it is there.
func (k *keeper) enter(o *runtime.StartOptions) (done func(), err error) {
	g, err := k.s.Group()
	if err != nil {
		return nil, err
	}
	if o.CgroupProcs, o.CgroupFD, err = g.Enter(); err != nil {
		return nil, err
	}
	if g == nil && k.s.Guard != "" {
		if o.CgroupFD, err = os.Open(k.s.Guard); err != nil {
			return nil, err
		}
	}
	return func() {
		if o.CgroupFD != nil {
			o.CgroupFD.Close()
		}
	}, nil
}

// settle sets what of the container's limits its process could not have been born with.
func (k *keeper) settle() error {
	g, err := k.s.Group()
	if err != nil {
		return err
	}
	return g.Settle()
}

// oomKilled says whether the kernel killed a process of the container for want of memory.
func (k *keeper) oomKilled() bool {
	g, err := k.s.Group()
	return err == nil && g.OOMKilled()
}

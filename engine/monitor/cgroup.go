package monitor

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

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
	return errors.Join(err, g.Remove(), removeRunDir(p))
}

// removeRunDir moves the directory away before it is emptied: with its name goes the lock's, and the next one to take the lock makes a directory
// of its own, in which nothing is removed any more.
func removeRunDir(p Place) error {
	gone := p.gone() + "/" + p.ID + strconv.FormatInt(time.Now().UnixNano(), 36)
	err := unix.Rename(p.RunDir(), gone)
	for try := 0; err == unix.ENOENT && try < 3; try++ { // of the directory around it, which whoever emptied it last has removed
		if _, statErr := os.Lstat(p.RunDir()); statErr != nil {
			return nil
		}
		if err := os.Mkdir(p.gone(), 0o700); err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
		err = unix.Rename(p.RunDir(), gone)
	}
	if err != nil {
		return fmt.Errorf("remove %s: %w", p.RunDir(), err)
	}
	err = RemoveTree(gone)
	unix.Rmdir(p.gone()) // the last one does it
	return err
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
	if k.s.Guard != "" { // g is then nil, or was made to pause the container, and has no device filter
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

// oomKills is how many processes of the container the kernel has killed for want of memory, in all its runs in these groups.
func (k *keeper) oomKills() uint64 {
	g, err := k.s.Group()
	if err != nil {
		return 0
	}
	return g.OOMKills()
}

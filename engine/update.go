package engine

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"codeberg.org/hoy/hoy/cgroups"
	"codeberg.org/hoy/hoy/oci"
)

// Update changes the limits of a container: what is zero in u stays. A running one must have a control group already.
func (e *Engine) Update(c *Container, u *oci.Resources) error {
	if err := c.usable(); err != nil {
		return err
	}
	// As in Rename: its monitor, which writes no config, is not disturbed.
	dir, err := os.Open(c.place.Dir())
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := unix.Flock(int(dir.Fd()), unix.LOCK_EX); err != nil {
		return fmt.Errorf("lock %s: %w", c.place.Dir(), err)
	}
	r, err := readRecord(c.place)
	if err != nil {
		return err
	}
	err = r.Resources.Merge(u)
	if err == nil {
		err = e.checkLimits(&r.Resources)
	}
	if err == nil && c.Running() {
		err = e.updateGroup(c, &r.Resources)
	}
	if err == nil {
		err = writeRecord(c.place, r)
	}
	if err != nil {
		return fmt.Errorf("cannot update container %s: %w", c.Name(), err)
	}
	return nil
}

func (e *Engine) updateGroup(c *Container, r *oci.Resources) error {
	g, err := c.place.Group()
	if err != nil {
		return err
	}
	err = e.host(false).Update(g, oci.UpdateSpec(r))
	if errors.Is(err, cgroups.ErrNoGroup) {
		return &cgroups.Error{What: "it runs without limits, and so without a control group that could get some",
			Fix: "stop it, update it, and start it again; --cgroups=enabled gives a container a group from the start"}
	}
	return err
}

package engine

import (
	"errors"
	"fmt"
	"os"
	"reflect"

	"golang.org/x/sys/unix"

	"codeberg.org/hoy/hoy/cgroups"
	"codeberg.org/hoy/hoy/oci"
	"codeberg.org/hoy/hoy/oci/restart"
)

// Change is what Update changes of a container: what is zero stays.
type Change struct {
	oci.Resources
	Restart restart.Policy
}

// Update changes the limits and the restart policy of a container. A running one must have a control group already to get limits.
func (e *Engine) Update(c *Container, u *Change) error {
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
	err = e.change(r, u)
	if err == nil && c.Running() && !reflect.ValueOf(u.Resources).IsZero() {
		err = e.updateGroup(c, &r.Resources)
	}
	if err == nil {
		err = writeRecord(c.place, r)
	}
	if err != nil {
		return fmt.Errorf("cannot update container %s: %w", c.Name(), err)
	}
	e.happened(c, "update")
	return nil
}

// change puts what u says into a record. A monitor reads the policy when its container ends.
func (e *Engine) change(r *record, u *Change) error {
	if u.Restart.Name != "" {
		if err := u.Restart.Check(); err != nil {
			return err
		}
		if r.AutoRemove {
			//lint:ignore ST1005 Docker's words
			return errors.New("Restart policy cannot be updated because AutoRemove is enabled for the container")
		}
		r.Restart = u.Restart
	}
	if err := r.Resources.Merge(&u.Resources); err != nil {
		return err
	}
	return e.checkLimits(&r.Resources)
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

package oci

import (
	"fmt"
	"path"
	"slices"

	"codeberg.org/hoy/hoy/oci/child"
)

// finishMounts adds to the plan's mounts what a specification cannot say of them.
func (c *Config) finishMounts(p *child.Plan, o SpecOptions) error {
	for i := range p.Mounts {
		to := &p.Mounts[i]
		at := slices.IndexFunc(c.Mounts, func(m Mount) bool { return m.Target == to.Target })
		if at < 0 {
			// A host need not have what its IPC namespace is shown by.
			to.Optional = to.Optional || to.Target == "/dev/mqueue" || to.Target == "/dev/shm" && c.IpcMode == "host"
			continue
		}
		m := &c.Mounts[at]
		to.Chown = m.Chown
		if m.Type == MountTmpfs {
			to.CopyUp = m.CopyUp
		}
		if m.FileSystem() {
			to.Shared = path.Join(path.Dir(o.VolumePath(m.Source)), "users")
		}
		if m.Type == MountImage || m.Overlay {
			if to.Layers = o.Overlays[m.Target]; to.Layers == nil {
				return fmt.Errorf("the mount at %s has no layers", m.Target)
			}
			to.Subpath = m.Subpath
		}
		if m.IDMap == idMapAuto && p.Userns != nil {
			to.IDMap = &p.Userns.Map
		}
		if m.IDMap != "" && m.IDMap != idMapAuto {
			var err error
			if to.IDMap, err = ParseIDMap(m.IDMap); err != nil {
				return err
			}
		}
	}
	return nil
}

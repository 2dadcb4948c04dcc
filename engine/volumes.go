package engine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"codeberg.org/hoy/hoy/oci"
)

// makeVolumes makes the volumes that the container mounts and that are missing, and names the anonymous ones.
func (b *birth) makeVolumes() error {
	for i := range b.r.Mounts {
		m := &b.r.Mounts[i]
		if m.Type != oci.MountVolume {
			continue
		}
		v, err := b.e.Store.CreateVolume(m.Source, nil)
		if err != nil {
			return fmt.Errorf("volume for %s: %w", m.Target, err)
		}
		if m.Source == "" {
			m.Source, m.Anonymous = v.Name, true
			b.volumes = append(b.volumes, v.Name)
		}
	}
	return nil
}

// anonymousVolumes are the directories of the volumes that --rm removes with the container.
func (e *Engine) anonymousVolumes(c *Container) []string {
	var dirs []string
	for _, m := range c.Config.Mounts {
		if m.Type == oci.MountVolume && m.Anonymous {
			dirs = append(dirs, filepath.Dir(e.Store.VolumePath(m.Source)))
		}
	}
	return dirs
}

// makeBindSources makes the directories that -v names and that do not exist, as Docker does.
func makeBindSources(mounts []oci.Mount) error {
	for _, m := range mounts {
		if m.Type != oci.MountBind || !m.Create {
			continue
		}
		if _, err := os.Stat(m.Source); err == nil || !os.IsNotExist(err) {
			continue
		}
		if err := os.MkdirAll(m.Source, 0o755); err != nil {
			return fmt.Errorf("make the source of %s: %w", m.Target, err)
		}
	}
	return nil
}

// ImageUsers are the ids of the containers made from the image, for storage.RemoveOptions.InUse.
func (e *Engine) ImageUsers(imageID string) []string {
	return e.users(func(r *record) bool { return r.ImageID == imageID })
}

// VolumeUsers are the ids of the containers that mount the volume.
func (e *Engine) VolumeUsers(name string) []string {
	return e.users(func(r *record) bool { return r.mounts(name) })
}

func (r *record) mounts(volume string) bool {
	for _, m := range r.Mounts {
		if m.Type == oci.MountVolume && m.Source == volume {
			return true
		}
	}
	return false
}

// users are the ids of the containers whose records fit. One that cannot be read may fit: it counts.
func (e *Engine) users(fits func(*record) bool) []string {
	ids, err := e.ids()
	if err != nil {
		return nil
	}
	var out []string
	for _, id := range ids {
		r, err := readRecord(e.place(id))
		if r == nil && errors.Is(err, ErrNoContainer) {
			continue
		}
		if r == nil || fits(r) {
			out = append(out, id)
		}
	}
	return out
}

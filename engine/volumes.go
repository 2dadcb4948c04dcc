package engine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"codeberg.org/hoy/hoy/oci"
)

// makeVolumes makes the volumes that the container mounts and that are missing, and names the anonymous ones.
func (b *birth) makeVolumes() error {
	for i := range b.r.Mounts {
		m := &b.r.Mounts[i]
		if m.Type != oci.MountVolume {
			continue
		}
		v, err := b.e.Store.CreateVolumeWith(m.Source, m.VolumeLabels, m.VolumeOptions)
		if err != nil {
			return fmt.Errorf("volume for %s: %w", m.Target, err)
		}
		if m.Source == "" {
			m.Source, m.Anonymous = v.Name, true
			b.volumes = append(b.volumes, v.Name)
		}
		if m.VolumeOptions = v.Options; len(v.Options) > 0 {
			m.NoCopy = true // what is mounted there gets nothing of an image
			m.ReadOnly = m.ReadOnly || v.ReadOnly()
		}
		if m.FileSystem() && (m.Subpath != "" || m.Overlay || m.Chown || m.IDMap != "" || b.r.IDMap != nil) {
			return fmt.Errorf("volume %s is a file system of its own (%s): a part of it (subpath), U, O, idmap and a user namespace of the container's own cannot be had with it",
				v.Name, v.Options["type"])
		}
	}
	return nil
}

// inheritMounts adds what the containers of --volumes-from mount, at the places where r does not mount something itself. Each is CONTAINER,
// CONTAINER:ro or CONTAINER:rw.
func (e *Engine) inheritMounts(r *record) error {
	for _, from := range r.VolumesFrom {
		ref, mode, _ := strings.Cut(from, ":")
		if mode != "" && mode != "ro" && mode != "rw" {
			return fmt.Errorf("invalid mode: %s", mode)
		}
		c, err := e.Find(ref)
		if err == nil {
			err = c.usable()
		}
		if err != nil {
			return err
		}
		for _, m := range c.Config.Mounts {
			taken := slices.ContainsFunc(r.Mounts, func(own oci.Mount) bool { return own.Target == m.Target })
			if taken || m.Source == "" { // a file system of the other container's own
				continue
			}
			m.Anonymous = false // it is the other container's
			m.ReadOnly = m.ReadOnly || mode == "ro"
			r.Mounts = append(r.Mounts, m)
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
	return e.users(func(r *record) bool {
		return r.ImageID == imageID || slices.ContainsFunc(r.Mounts, func(m oci.Mount) bool { return m.Image == imageID })
	})
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

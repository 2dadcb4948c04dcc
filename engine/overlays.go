package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"codeberg.org/hoy/hoy/engine/monitor"
	"codeberg.org/hoy/hoy/oci"
	"codeberg.org/hoy/hoy/oci/child"
)

// findImageMounts finds the images that r mounts, pulls them where it must, and writes down which they are. Until release is called none is removed.
func (e *Engine) findImageMounts(ctx context.Context, r *record, o CreateOptions) (release func(), err error) {
	var held []func()
	release = func() {
		for _, f := range held {
			f()
		}
	}
	for i := range r.Mounts {
		m := &r.Mounts[i]
		if m.Type != oci.MountImage {
			continue
		}
		of := &record{}
		of.Image, of.Platform = m.Source, r.Platform
		img, done, err := e.image(ctx, of, o)
		if err != nil {
			release()
			return nil, fmt.Errorf("image for %s: %w", m.Target, err)
		}
		held = append(held, done)
		if m.Image = img.ID; len(img.LayerIDs) > 0 {
			m.Layer = img.LayerIDs[0]
		}
	}
	return release, nil
}

// overlays are the layers of the container's image mounts and of its overlays over directories, by target. What a container writes to an image
// mount stays for as long as the container; what it writes over a directory is gone at the next start, unless the user keeps it.
func (e *Engine) overlays(c *Container, start bool) (map[string]*child.Rootfs, error) {
	all := map[string]*child.Rootfs{}
	for i := range c.Config.Mounts {
		m := &c.Config.Mounts[i]
		if m.Type != oci.MountImage && !m.Overlay || !start && !m.Lasting() {
			continue
		}
		lower, err := e.lowerOf(m)
		if err != nil {
			return nil, err
		}
		r := &child.Rootfs{Lower: lower, Upper: m.Upper, Work: m.Work}
		all[m.Target] = r
		if m.ReadOnly || m.Upper != "" {
			continue
		}
		dir := filepath.Join(c.place.File(monitor.OverlaysDir), strconv.Itoa(i))
		if m.Overlay {
			if err := monitor.RemoveTree(dir); err != nil && !errors.Is(err, os.ErrNotExist) {
				return nil, err
			}
		}
		r.Upper, r.Work, r.Volatile = filepath.Join(dir, "upper"), filepath.Join(dir, "work"), c.Config.AutoRemove || m.Overlay
		if err := makeUpper(r.Upper, r.Work, lower[0]); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// lowerOf are the directories under a mount's upper one, the top one first.
func (e *Engine) lowerOf(m *oci.Mount) ([]string, error) {
	switch m.Type {
	case oci.MountVolume:
		return []string{e.Store.VolumePath(m.Source)}, nil
	case oci.MountBind:
		return []string{m.Source}, nil
	}
	dirs, err := e.Store.LayerChain(m.Layer)
	if err == nil && len(dirs) == 0 {
		err = errors.New("it has no files")
	}
	if err != nil {
		return nil, fmt.Errorf("image %s for %s: %w", m.Source, m.Target, err)
	}
	return dirs, nil
}

// makeUpper makes the directories of an overlay; the upper one, which is seen as its root, with the owner and mode of what is under it.
func makeUpper(upper, work, lower string) error {
	var st unix.Stat_t
	if err := unix.Stat(lower, &st); err != nil {
		return fmt.Errorf("stat %s: %w", lower, err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return fmt.Errorf("%s: only a directory can be mounted as an overlay", lower)
	}
	for _, dir := range []string{upper, work} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	return errors.Join(os.Chown(upper, int(st.Uid), int(st.Gid)), unix.Chmod(upper, st.Mode&0o7777))
}

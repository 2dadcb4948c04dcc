package engine

import (
	"context"

	"codeberg.org/hoy/hoy/oci"
	"codeberg.org/hoy/hoy/storage"
)

// Usage is what takes space on the disk. All sizes are bytes.
type Usage struct {
	Images     []ImageUsage
	Layers     int64 // size of all layers that images have, each counted once
	Active     int64 // of those of images that containers use
	Containers []ContainerUsage
	Volumes    []VolumeUsage
	BuildCache []LayerUsage // layers that no image has
}

// ImageUsage is an image and what it takes.
type ImageUsage struct {
	*storage.Image
	Shared     int64 // of layers that other images have too
	Containers int   // that use it
}

// ContainerUsage is a container and what it takes.
type ContainerUsage struct {
	*Container
	Size    int64 // of its own files
	Virtual int64 // with its image
}

// VolumeUsage is a volume and what it takes.
type VolumeUsage struct {
	*storage.Volume
	Links int // containers that mount it
	Size  int64
}

// LayerUsage is a layer of the build cache.
type LayerUsage struct {
	ID   string
	Size int64
}

// Usage counts what containers, images, volumes and builds take.
func (e *Engine) Usage(ctx context.Context) (*Usage, error) {
	list, err := e.List(ListOptions{All: true})
	if err != nil {
		return nil, err
	}
	images, err := e.Store.Images(ctx)
	if err != nil {
		return nil, err
	}
	sizes, err := e.Store.LayerSizes()
	if err != nil {
		return nil, err
	}
	u := &Usage{}
	u.countImages(images, list, sizes)
	for _, c := range list {
		size, virtual := e.Size(ctx, c)
		u.Containers = append(u.Containers, ContainerUsage{c, size, virtual})
	}
	volumes, err := e.Store.Volumes()
	for _, v := range volumes {
		u.Volumes = append(u.Volumes, VolumeUsage{v, links(list, v.Name), treeSize(v.Path)})
	}
	return u, err
}

// Size gives what the container's own files take, and that with its image's.
func (e *Engine) Size(ctx context.Context, c *Container) (own, virtual int64) {
	own = treeSize(c.Upper())
	virtual = own
	if c.Config.ImageID != "" {
		if img, err := e.Store.Image(ctx, c.Config.ImageID); err == nil {
			virtual += img.Size
		}
	}
	return own, virtual
}

func links(list []*Container, volume string) int {
	n := 0
	for _, c := range list {
		for _, m := range c.Config.Mounts {
			if m.Type == oci.MountVolume && m.Source == volume {
				n++
				break
			}
		}
	}
	return n
}

// countImages counts each layer once, and finds those that several images have.
func (u *Usage) countImages(images []*storage.Image, list []*Container, sizes map[string]int64) {
	users := map[string]int{}
	for _, c := range list {
		users[c.Config.ImageID]++
	}
	owners, active := map[string]int{}, map[string]bool{}
	for _, img := range images {
		for _, id := range img.LayerIDs {
			owners[id]++
			active[id] = active[id] || users[img.ID] > 0
		}
	}
	for id, size := range sizes {
		switch {
		case owners[id] == 0:
			u.BuildCache = append(u.BuildCache, LayerUsage{id, size})
			continue
		case active[id]:
			u.Active += size
		}
		u.Layers += size
	}
	for _, img := range images {
		shared := int64(0)
		for _, id := range img.LayerIDs {
			if owners[id] > 1 {
				shared += sizes[id]
			}
		}
		u.Images = append(u.Images, ImageUsage{img, shared, users[img.ID]})
	}
}

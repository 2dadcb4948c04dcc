package engine

import (
	"context"
	"errors"
	"maps"
	"slices"

	"codeberg.org/hoy/hoy/storage"
)

// PrunedImages is what PruneImages removed.
type PrunedImages struct {
	Removed []storage.Removed
	Space   int64 // bytes of layers
}

// PruneImages removes the images that no container uses and for which keep (nil: none) is false: those without a name, or with all the others too.
func (e *Engine) PruneImages(ctx context.Context, all bool, keep func(*storage.Image) bool) (PrunedImages, error) {
	var done PrunedImages
	list, err := e.Store.Images(ctx)
	if err != nil {
		return done, err
	}
	before, err := e.Store.LayerSizes()
	if err != nil {
		return done, err
	}
	var failed error
	for _, img := range list {
		if !all && len(img.Names) > 0 || keep != nil && keep(img) || len(e.ImageUsers(img.ID)) > 0 {
			continue
		}
		removed, err := e.Store.Remove(ctx, img.ID, storage.RemoveOptions{Force: true, InUse: e.ImageUsers})
		done.Removed = append(done.Removed, removed...)
		if err != nil && !errors.Is(err, storage.ErrImageInUse) && !errors.Is(err, storage.ErrNoImage) { // used, or removed, meanwhile
			failed = errors.Join(failed, err)
		}
	}
	failed = errors.Join(failed, e.SweepShifted(true))
	after, err := e.Store.LayerSizes()
	for id, size := range before {
		if _, left := after[id]; !left {
			done.Space += size
		}
	}
	return done, errors.Join(failed, err)
}

// PrunedObjects are things that a prune removed.
type PrunedObjects struct {
	Names []string
	Space int64 // bytes
}

// PruneVolumes removes the volumes that no container mounts and for which keep (nil: none) is false: the anonymous ones, or with all the named too.
func (e *Engine) PruneVolumes(all bool, keep func(*storage.Volume) bool) (PrunedObjects, error) {
	var done PrunedObjects
	list, err := e.Store.Volumes()
	if err != nil {
		return done, err
	}
	var failed error
	for _, v := range list {
		if !all && !v.Anonymous || keep != nil && keep(v) || len(e.VolumeUsers(v.Name)) > 0 {
			continue
		}
		size := treeSize(v.Path)
		err := e.Store.RemoveVolume(v.Name, e.VolumeUsers)
		switch {
		case err == nil:
			done.Names = append(done.Names, v.Name)
			done.Space += size
		case !errors.Is(err, storage.ErrVolumeInUse) && !errors.Is(err, storage.ErrNoVolume):
			failed = errors.Join(failed, err)
		}
	}
	return done, failed
}

// PruneBuildCache removes the layers that only builds keep.
func (e *Engine) PruneBuildCache(ctx context.Context) (PrunedObjects, error) {
	gone, err := e.Store.PruneLayers(ctx)
	done := PrunedObjects{Names: slices.Sorted(maps.Keys(gone))}
	for _, size := range gone {
		done.Space += size
	}
	return done, err
}

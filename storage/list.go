package storage

import (
	"context"
	"slices"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// Images lists the local images, newest first. Images that cannot be read are left out. It takes no lock.
func (s *Store) Images(ctx context.Context) ([]*Image, error) {
	snap, err := s.snapshot()
	if err != nil {
		return nil, err
	}
	var images []*Image
	for _, rec := range snap.Images {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if img, err := s.image(snap, rec); err == nil {
			images = append(images, img)
		}
	}
	slices.SortStableFunc(images, func(a, b *Image) int { return b.Created.Compare(a.Created) })
	return images, nil
}

// History is one line of an image's history.
type History struct {
	v1.History
	Size  int64  // bytes of the tar of the layer that this entry made; 0 for an empty layer
	Layer string // that layer's id; "" for an empty layer
}

// History tells how the image came to be, newest first. Layers that no history entry speaks of come with an empty one.
func (s *Store) History(ctx context.Context, ref string) ([]History, error) {
	img, err := s.Image(ctx, ref)
	if err != nil {
		return nil, err
	}
	snap, err := s.snapshot()
	if err != nil {
		return nil, err
	}
	var lines []History
	layers := slices.Clone(img.LayerIDs)
	slices.Reverse(layers)
	take := func(h v1.History) {
		line := History{History: h}
		if !h.EmptyLayer && len(layers) > 0 {
			line.Layer, layers = layers[0], layers[1:]
			if l := snap.Layers[line.Layer]; l != nil {
				line.Size = l.DiffSize
			}
		}
		lines = append(lines, line)
	}
	for _, h := range img.Config.History {
		take(h)
	}
	for len(layers) > 0 {
		take(v1.History{})
	}
	slices.Reverse(lines)
	return lines, nil
}

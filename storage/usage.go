package storage

import (
	"context"
	"time"
)

// LayerSizes gives the length in bytes of the tar of each layer in the store, by id; 0 where it is not computed yet. It takes no lock.
func (s *Store) LayerSizes() (map[string]int64, error) {
	snap, err := s.snapshot()
	if err != nil {
		return nil, err
	}
	sizes := map[string]int64{}
	for id, l := range snap.Layers {
		sizes[id] = l.DiffSize
	}
	return sizes, nil
}

// PruneLayers removes the layers that no image needs, which builds keep as their cache, and gives the sizes of those that are gone, by id. While
// somebody adds layers nothing is removed.
func (s *Store) PruneLayers(ctx context.Context) (map[string]int64, error) {
	gone, err := s.LayerSizes()
	if err != nil {
		return nil, err
	}
	if _, err := s.library(); err != nil {
		return nil, err
	}
	busy, release, err := s.alone()
	if err != nil || busy {
		return nil, err
	}
	defer release()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := s.dropSince(time.Time{}); err != nil {
		return nil, s.explain(err)
	}
	left, err := s.LayerSizes()
	for id := range left {
		delete(gone, id)
	}
	return gone, err
}

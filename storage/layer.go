package storage

import (
	"context"
	"fmt"

	"codeberg.org/hoy/hoy/storage/layertar"
	"codeberg.org/hoy/hoy/storage/records"
)

// Layer is a layer in the store.
type Layer struct {
	ID     string // 64 hexadecimal digits
	Dir    string // its diff directory
	Parent string // layer id; "" for a bottom layer

	digest *future
}

// WaitDiffID gives the digest of the layer's tar (sha256:…). For a layer that was just committed it waits for the
// computation that Commit started; for another it begins one unless the digest is recorded.
func (l *Layer) WaitDiffID(ctx context.Context) (string, error) {
	d, err := l.digest.wait(ctx)
	return d.diffID, err
}

// Size is the length of the layer's tar in bytes, once WaitDiffID has returned.
func (l *Layer) Size(ctx context.Context) (int64, error) {
	d, err := l.digest.wait(ctx)
	return d.size, err
}

// Layer finds a complete layer. It takes no lock. ErrNoLayer.
func (s *Store) Layer(id string) (*Layer, error) {
	chain, err := s.chain(id)
	if err != nil {
		return nil, err
	}
	l := &Layer{ID: id, Dir: s.dir.Diff(id), Parent: chain[0].Parent}
	if chain[0].DiffID != "" {
		l.digest = known(digested{chain[0].DiffID, chain[0].DiffSize})
	} else {
		l.digest = s.startDigest(id, digesting{Source: layertar.Source{Lower: s.diffs(chain[1:])}})
	}
	return l, nil
}

// LayerChain gives the diff directories of a layer and all below it, top first. It takes no lock, and reads one small file when
// nothing changed since the last time. ErrNoLayer.
func (s *Store) LayerChain(top string) ([]string, error) {
	const kind = "layer\x00" // no reference begins so
	state, err := s.dir.Stat()
	if err != nil {
		return nil, err
	}
	if c := s.recall(kind+top, state); c != nil {
		return s.dirs(c.LayerIDs), nil
	}
	chain, err := s.chain(top)
	if err != nil {
		return nil, err
	}
	c := cached{Ref: kind + top, State: state}
	for _, l := range chain {
		c.LayerIDs = append(c.LayerIDs, l.ID)
	}
	s.remember(c)
	return s.dirs(c.LayerIDs), nil
}

func (s *Store) dirs(ids []string) []string {
	var dirs []string
	for _, id := range ids {
		dirs = append(dirs, s.dir.Diff(id))
	}
	return dirs
}

// HasLayer says whether the layer and all below it are in the store, whole. It takes no lock.
func (s *Store) HasLayer(id string) bool {
	_, err := s.chain(id)
	return err == nil
}

func (s *Store) chain(top string) ([]*records.Layer, error) {
	snap, err := s.snapshot()
	if err != nil {
		return nil, err
	}
	chain := snap.Chain(top)
	if chain == nil {
		return nil, fmt.Errorf("%w: %s", ErrNoLayer, short(top))
	}
	return chain, nil
}

func (s *Store) diffs(chain []*records.Layer) []string {
	var dirs []string
	for _, l := range chain {
		dirs = append(dirs, s.dir.Diff(l.ID))
	}
	return dirs
}

// RemoveLayer removes a layer that no image and no other layer needs, such as a build's cache. It is no error when
// something needs it, or when it is not there.
func (s *Store) RemoveLayer(ctx context.Context, id string) error {
	if _, err := s.library(); err != nil {
		return err
	}
	return s.explain(s.dropLayer(id))
}

// digested is what is known of a layer's tar.
type digested struct {
	diffID string
	size   int64 // bytes
}

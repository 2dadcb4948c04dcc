package storage

import "context"

// Layer is a layer in the store.
type Layer struct {
	ID   string // 64 hexadecimal digits, chosen at random
	Dir  string // its diff directory
	Size int64  // bytes of its files; 0 until WaitDiffID has returned
}

// WaitDiffID gives the digest of the layer's tar (sha256:…). For a layer that was just committed it waits for the
// computation that Commit started.
func (l *Layer) WaitDiffID(ctx context.Context) (string, error) { return "", ErrNoLayer }

// Layer finds a complete layer. Its digest is computed by WaitDiffID when it is not recorded yet. ErrNoLayer.
func (s *Store) Layer(id string) (*Layer, error) { return nil, ErrNoLayer }

// LayerChain gives the diff directories of a layer and all below it, top first. It takes no lock. ErrNoLayer.
func (s *Store) LayerChain(top string) ([]string, error) { return nil, ErrNoLayer }

// HasLayer says whether the layer and all below it are in the store, whole. It takes no lock.
func (s *Store) HasLayer(id string) bool { return false }

// RemoveLayer removes a layer that no image and no other layer needs (a build's cache). It is no error when something does.
func (s *Store) RemoveLayer(ctx context.Context, id string) error { return ErrNoLayer }

// Stage is a directory in which a layer is being written. It is leased: when its maker is killed the next writer removes it.
type Stage struct {
	Dir  string // overlay's upperdir, or a place to write files to
	Work string // overlay's workdir, beside Dir
}

// StageLayer makes an empty stage. lower are the diff directories below it, top first: the stage's root takes owner, mode and
// times from the first. It opens no library and costs some 0.1 ms.
func (s *Store) StageLayer(lower []string) (*Stage, error) { return nil, ErrNoLayer }

// CommitOptions says what a stage becomes.
type CommitOptions struct {
	Parent string // layer id; "" for a bottom layer
}

// Commit renames the stage's Dir into the store and registers it, in a few milliseconds. Nothing may be mounted on it or write to it
// any more. Its digest is computed in the background. On an error the stage is discarded.
func (g *Stage) Commit(ctx context.Context, o CommitOptions) (*Layer, error) { return nil, ErrNoLayer }

// Discard removes the stage. After Commit it does nothing.
func (g *Stage) Discard() error { return nil }

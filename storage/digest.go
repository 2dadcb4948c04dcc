package storage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"go.podman.io/storage/pkg/lockfile"
)

// future is a digest that is being computed.
type future struct {
	done  chan struct{}
	value digested
	err   error
}

func known(d digested) *future {
	f := &future{done: make(chan struct{}), value: d}
	close(f.done)
	return f
}

func (f *future) wait(ctx context.Context) (digested, error) {
	select {
	case <-f.done:
		return f.value, f.err
	case <-ctx.Done():
		return digested{}, ctx.Err()
	}
}

// startDigest computes a layer's digest in the background, once.
func (s *Store) startDigest(id, dir string, lower []string) *future {
	b := &s.builds
	b.mu.Lock()
	defer b.mu.Unlock()
	if f := b.futures[id]; f != nil {
		return f
	}
	b.start()
	f := &future{done: make(chan struct{})}
	b.futures[id] = f
	b.running.Add(1)
	go func() {
		defer b.running.Done()
		defer close(f.done)
		b.slots <- struct{}{}
		defer func() { <-b.slots }()
		f.value, f.err = digestLayer(b.ctx, dir, lower)
		if f.err == nil {
			b.mu.Lock()
			b.pending[id] = f.value
			b.mu.Unlock()
		}
	}()
	return f
}

// recordDigests writes the digests that are known by now into layers.json, under the library's lock and as it would.
// Its interface sets a layer's digest only while the layer is made, which is before the digest is known.
func (s *Store) recordDigests() error {
	b := &s.builds
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.pending) == 0 {
		return nil
	}
	path := s.dir.LayersFile()
	lock, err := lockfile.GetLockFile(filepath.Join(filepath.Dir(path), "layers.lock"))
	if err != nil {
		return err
	}
	lock.Lock()
	defer lock.Unlock()
	if err := s.amendLayers(path, b.pending); err != nil {
		return fmt.Errorf("record digests: %w", err)
	}
	if _, err := lock.RecordWrite(); err != nil {
		return err
	}
	clear(b.pending)
	return nil
}

// amendLayers sets the digests of layers in a layers.json and keeps all else that it says.
func (s *Store) amendLayers(path string, digests map[string]digested) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var layers []json.RawMessage
	if err := json.Unmarshal(data, &layers); err != nil {
		return err
	}
	for i, raw := range layers {
		var l struct{ ID string }
		if err := json.Unmarshal(raw, &l); err != nil {
			return err
		}
		d, ok := digests[l.ID]
		if !ok {
			continue
		}
		if layers[i], err = amend(raw, d); err != nil {
			return err
		}
	}
	if data, err = json.Marshal(layers); err != nil {
		return err
	}
	return s.replaceFile(path, data)
}

func amend(raw json.RawMessage, d digested) (json.RawMessage, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(raw, &fields); err != nil {
		return nil, err
	}
	fields["diff-digest"] = json.RawMessage(strconv.Quote(d.diffID))
	fields["diff-size"] = json.RawMessage(strconv.FormatInt(d.size, 10))
	return json.Marshal(fields)
}

// replaceFile writes a file of mode 0600 beside its place and renames it, so that a reader and a crash see the old or the new one.
func (s *Store) replaceFile(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".tmp-"+filepath.Base(path))
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if !s.options.NoSync {
		err = errors.Join(err, f.Sync())
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}

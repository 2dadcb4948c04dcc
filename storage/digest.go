package storage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"codeberg.org/hoy/hoy/storage/layertar"
	"codeberg.org/hoy/hoy/storage/lease"
	"github.com/klauspost/compress/gzip"
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

// digesting is how a layer's digest is computed.
type digesting struct {
	layertar.Source                 // without Dir: what lies in the layer's place
	placed          <-chan struct{} // closed when the layer is in its place, or will never be; nil: it is
}

// startDigest computes a layer's digest in the background, once.
func (s *Store) startDigest(id string, job digesting) *future {
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
		f.value, f.err = s.digestLayer(b.ctx, id, job)
		if f.err == nil {
			b.mu.Lock()
			b.pending[id] = f.value
			b.mu.Unlock()
		}
	}()
	return f
}

// digestLayer computes the digest from the layer's files. Beside it comes the tar-split file, from which and the files any tool makes
// the same tar; without the room or the right to write one, the files alone give it to hoy.
func (s *Store) digestLayer(ctx context.Context, id string, job digesting) (d digested, err error) {
	if job.Dir == nil {
		if job.Dir, err = os.Open(s.dir.Diff(id)); err != nil {
			return digested{}, wrapDigest(err)
		}
	}
	defer job.Dir.Close()
	file := ""
	room, err := lease.New(s.leases())
	if err == nil {
		defer room.Release()
		file = filepath.Join(room.Dir, "tar-split.gz")
		d, err = writeSplit(ctx, file, job.Source)
	} else {
		d.diffID, d.size, err = job.Digest(ctx, nil)
	}
	if job.placed != nil {
		<-job.placed
	}
	if err == nil && file != "" {
		err = os.Rename(file, s.dir.TarSplit(id))
	}
	if err != nil {
		return digested{}, wrapDigest(err)
	}
	if !s.HasLayer(id) { // it was removed meanwhile
		os.Remove(s.dir.TarSplit(id))
	}
	return d, nil
}

func wrapDigest(err error) error {
	if err != nil {
		err = fmt.Errorf("digest layer: %w", err)
	}
	return err
}

func writeSplit(ctx context.Context, file string, source layertar.Source) (digested, error) {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return digested{}, err
	}
	defer f.Close()
	z, err := gzip.NewWriterLevel(f, gzip.BestSpeed)
	if err != nil {
		return digested{}, err
	}
	diffID, size, err := source.Digest(ctx, z)
	return digested{diffID, size}, errors.Join(err, z.Close(), f.Close())
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

// replaceFile writes a file of mode 0600 elsewhere and renames it, so that a reader and a crash see the old or the new one.
func (s *Store) replaceFile(path string, data []byte) error {
	room, err := lease.New(s.leases())
	if err != nil {
		return err
	}
	defer room.Release()
	temp := filepath.Join(room.Dir, filepath.Base(path))
	if err := os.WriteFile(temp, data, 0o600); err != nil {
		return err
	}
	if err := s.syncFiles(temp); err != nil {
		return err
	}
	return os.Rename(temp, path)
}

package storage

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"codeberg.org/hoy/hoy/storage/lease"
	"go.podman.io/image/v5/copy"
	"go.podman.io/image/v5/manifest"
	"go.podman.io/image/v5/signature"
	istorage "go.podman.io/image/v5/storage"
	"go.podman.io/image/v5/types"
	cstorage "go.podman.io/storage"
	"go.podman.io/storage/pkg/archive"
)

// incoming is one image that is to be brought in.
type incoming struct {
	image  *peeked
	system *types.SystemContext
	names  []string                      // in full
	notify chan types.ProgressProperties // is told of each blob; nil: nobody
}

// bring copies an image into the store and then names it. It is durable when it returns; when it fails nothing of it stays.
func (s *Store) bring(ctx context.Context, in incoming) error {
	lib, err := s.library()
	if err != nil {
		return err
	}
	if s.haveImage(in.image.id) {
		return s.adopt(lib, in)
	}
	release, err := s.writing()
	if err != nil {
		return err
	}
	l, err := lease.New(s.leases())
	if err != nil {
		release()
		return err
	}
	err = s.copyIn(ctx, lib, in, l.Dir)
	release()
	if err != nil {
		l.Abandon()
		s.libMu.Lock()
		defer s.libMu.Unlock()
		_ = lease.Sweep(s.leases(), s.undo) // what it cannot remove now the next writer will
		return err
	}
	return l.Release()
}

// haveImage says whether the store has the image whole.
func (s *Store) haveImage(id string) bool {
	snap, err := s.snapshot()
	if err != nil {
		return false
	}
	for _, rec := range snap.Images {
		if rec.ID == id {
			return rec.ManifestDigest() != "" && (rec.TopLayer == "" || snap.Chain(rec.TopLayer) != nil)
		}
	}
	return false
}

// adopt names an image that the store has already: the config's digest says that it is the same. The manifest it came with now may be
// another one, with compressed layers; the image can be found by its digest too.
func (s *Store) adopt(lib cstorage.Store, in incoming) error {
	for d, blob := range map[string][]byte{in.image.digest.String(): in.image.manifest, in.image.listDigest.String(): in.image.list} {
		key := cstorage.ImageDigestManifestBigDataNamePrefix + "-" + d
		if _, err := os.Stat(s.dir.BigData(in.image.id, key)); err == nil {
			continue
		}
		if err := lib.SetImageBigData(in.image.id, key, blob, manifest.Digest); err != nil {
			return err
		}
	}
	return s.putNames(lib, in.image.id, in.names)
}

// copyIn copies the image without a name, makes it durable and names it. dir is a leased directory.
func (s *Store) copyIn(ctx context.Context, lib cstorage.Store, in incoming, dir string) error {
	s.refuse.Do(refuseFilters)
	if err := s.announce(in.image, dir); err != nil {
		return err
	}
	to, err := istorage.Transport.NewStoreReference(lib, nil, in.image.id)
	if err != nil {
		return err
	}
	policy, err := signature.NewPolicyContext(&signature.Policy{
		Default: signature.PolicyRequirements{signature.NewPRInsecureAcceptAnything()}, // as Docker: whoever wants less says so
	})
	if err != nil {
		return err
	}
	defer policy.Destroy()
	system := *in.system
	system.BigFilesTemporaryDir, system.BlobInfoCacheDir = dir, filepath.Join(dir, "blobs")
	options := &copy.Options{SourceCtx: &system, DestinationCtx: &system, RemoveSignatures: true} // the policy asks for none
	if in.notify != nil {
		options.Progress, options.ProgressInterval = in.notify, time.Second
	}
	if _, err := copy.Image(ctx, policy, to, in.image, options); err != nil {
		return err
	}
	if err := s.syncAll(); err != nil {
		return err
	}
	return s.putNames(lib, in.image.id, in.names)
}

// announce writes the journal of what the copy will make.
func (s *Store) announce(p *peeked, dir string) error {
	ids, err := p.layerIDs()
	if err != nil {
		return err
	}
	snap, err := s.dir.Read()
	if err != nil {
		return err
	}
	j := journal{Image: p.id}
	for _, id := range ids {
		if snap.Layers[id] == nil {
			j.Layers = append(j.Layers, id)
		}
	}
	if err := s.writeJournal(dir, j); err != nil {
		return fmt.Errorf("write journal: %w", err)
	}
	return nil
}

// refuseFilters keeps the library from running pigz and zstd when they are in the PATH: it looks once for each in the life of a
// process, here while PATH is empty. hoy runs no programs, and they would not be found in every place.
func refuseFilters() {
	defer setenv(map[string]string{"PATH": ""})()
	for _, magic := range []string{"\x1f\x8b\x08", "\x28\xb5\x2f\xfd"} {
		if r, err := archive.DecompressStream(strings.NewReader(magic)); err == nil {
			r.Close()
		}
	}
}

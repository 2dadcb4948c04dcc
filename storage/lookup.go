package storage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"codeberg.org/hoy/hoy/storage/records"
	"github.com/opencontainers/go-digest"
	"go.podman.io/image/v5/docker/reference"
)

// Image finds a local image by name, id, unique id prefix or digest, by Docker's rules for what a name leaves out.
// It takes no lock, and reads one small file when nothing changed since the last time the same ref was asked for.
// Errors: ErrNoImage, ErrBadReference, ErrAmbiguousID, ErrCorrupt.
func (s *Store) Image(ctx context.Context, ref string) (*Image, error) {
	state, err := s.dir.Stat()
	if err != nil {
		return nil, err
	}
	if img := s.recall(ref, state).image(s); img != nil {
		return img, nil
	}
	snap, err := s.snapshot()
	if err != nil {
		return nil, err
	}
	rec, err := find(snap, ref)
	if err != nil {
		return nil, err
	}
	img, err := s.image(snap, rec)
	if err != nil {
		return nil, err
	}
	s.remember(cached{
		Ref: ref, State: snap.State,
		ID: img.ID, Names: img.Names, Digest: img.Digest, Size: img.Size, LayerIDs: img.LayerIDs, RawConfig: img.RawConfig,
	})
	return img, nil
}

// snapshot reads the records, unless they are those that were read last.
func (s *Store) snapshot() (*records.Snapshot, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.snap != nil {
		state, err := s.dir.Stat()
		if err == nil && state == s.snap.State && state.Settled(s.snapTime) {
			return s.snap, nil
		}
	}
	now := time.Now()
	snap, err := s.dir.Read()
	if err != nil {
		return nil, err
	}
	s.snap, s.snapTime = snap, now
	return snap, nil
}

// find resolves ref in the order of moby's daemon/images getImage: whole id or digest, then name, then the beginning of an id.
func find(snap *records.Snapshot, ref string) (*records.Image, error) {
	if d := wholeDigest(ref); d != "" {
		if rec := byDigest(snap, d); rec != nil {
			return rec, nil
		}
		return nil, fmt.Errorf("%w: %s", ErrNoImage, ref)
	}
	named, err := parseName(ref)
	if err != nil {
		return byPrefix(snap, ref, err)
	}
	if rec := byName(snap, named); rec != nil {
		return rec, nil
	}
	return byPrefix(snap, ref, fmt.Errorf("%w: %s", ErrNoImage, ref))
}

// wholeDigest gives sha256:… for a ref that is a whole id, with or without the algorithm.
func wholeDigest(ref string) string {
	if len(ref) == 64 && isHex(ref) {
		return "sha256:" + ref
	}
	if _, err := digest.Parse(ref); err == nil {
		return ref
	}
	return ""
}

func isHex(s string) bool {
	return strings.Trim(s, "0123456789abcdef") == ""
}

func byDigest(snap *records.Snapshot, d string) *records.Image {
	for _, rec := range snap.Images {
		if "sha256:"+rec.ID == d {
			return rec
		}
	}
	for _, rec := range snap.Images {
		if hasManifest(rec, d) {
			return rec
		}
	}
	return nil
}

// hasManifest says whether d is the digest of the image's manifest, or of a list it was chosen from.
func hasManifest(rec *records.Image, d string) bool {
	if rec.Digest == d {
		return true
	}
	for key, value := range rec.BigDataDigests {
		if value == d && strings.HasPrefix(key, records.ManifestKey) {
			return true
		}
	}
	return false
}

func byName(snap *records.Snapshot, named reference.Named) *records.Image {
	full := named.String()
	for _, rec := range snap.Images {
		for _, name := range rec.Names {
			if name == full {
				return rec
			}
		}
	}
	digested, ok := named.(reference.Digested)
	if !ok {
		return nil
	}
	for _, rec := range snap.Images {
		if hasManifest(rec, digested.Digest().String()) && hasRepository(rec, named.Name()) {
			return rec
		}
	}
	return nil
}

func hasRepository(rec *records.Image, repository string) bool {
	for _, name := range rec.Names {
		if rest, ok := strings.CutPrefix(name, repository); ok && (strings.HasPrefix(rest, ":") || strings.HasPrefix(rest, "@")) {
			return true
		}
	}
	return false
}

// byPrefix finds the one image whose id begins with ref; otherwise it returns none.
func byPrefix(snap *records.Snapshot, ref string, none error) (*records.Image, error) {
	prefix := strings.TrimPrefix(ref, "sha256:")
	if prefix == "" || !isHex(prefix) {
		return nil, none
	}
	var found *records.Image
	for _, rec := range snap.Images {
		if !strings.HasPrefix(rec.ID, prefix) {
			continue
		}
		if found != nil {
			return nil, fmt.Errorf("%w: %s", ErrAmbiguousID, ref)
		}
		found = rec
	}
	if found == nil {
		return nil, fmt.Errorf("%w: %s", ErrNoImage, ref)
	}
	return found, nil
}

// image reads what the record names.
func (s *Store) image(snap *records.Snapshot, rec *records.Image) (*Image, error) {
	chain := snap.Chain(rec.TopLayer)
	if chain == nil && rec.TopLayer != "" {
		return nil, fmt.Errorf("%w: %s: a layer is missing", ErrCorrupt, short(rec.ID))
	}
	raw, err := s.config(rec)
	if err != nil {
		return nil, err
	}
	img := &Image{ID: rec.ID, Names: rec.Names, Digest: rec.ManifestDigest(), RawConfig: raw}
	for _, l := range chain {
		img.LayerIDs = append(img.LayerIDs, l.ID)
		img.Size += l.DiffSize
	}
	if err := s.complete(img); err != nil {
		return nil, err
	}
	return img, nil
}

// config reads the image's config blob. It is kept under its digest, which is the image's id, but for images of other tools.
func (s *Store) config(rec *records.Image) ([]byte, error) {
	raw, err := os.ReadFile(s.dir.BigData(rec.ID, "sha256:"+rec.ID))
	if err == nil {
		return raw, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	manifest, err := os.ReadFile(s.dir.BigData(rec.ID, records.ManifestKey))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s: no manifest", ErrNoImage, short(rec.ID))
	}
	if err != nil {
		return nil, err
	}
	var m struct{ Config struct{ Digest string } }
	if err := json.Unmarshal(manifest, &m); err != nil {
		return nil, fmt.Errorf("%w: %s: manifest: %v", ErrCorrupt, short(rec.ID), err)
	}
	if raw, err = os.ReadFile(s.dir.BigData(rec.ID, m.Config.Digest)); err != nil {
		return nil, fmt.Errorf("%w: %s: config: %v", ErrCorrupt, short(rec.ID), err)
	}
	return raw, nil
}

// complete fills in what follows from the other fields.
func (s *Store) complete(img *Image) error {
	if err := img.parseConfig(); err != nil {
		return fmt.Errorf("%w: %s: config: %v", ErrCorrupt, short(img.ID), err)
	}
	for _, id := range img.LayerIDs {
		img.Layers = append(img.Layers, s.dir.Diff(id))
	}
	for _, d := range img.Config.RootFS.DiffIDs {
		img.DiffIDs = append(img.DiffIDs, d.String())
	}
	if img.Config.Created != nil {
		img.Created = *img.Config.Created
	}
	img.RepoDigests = repoDigests(img.Names, img.Digest)
	return nil
}

func repoDigests(names []string, digest string) []string {
	var out []string
	for _, name := range names {
		repo, _, pinned := strings.Cut(name, "@")
		if i := strings.LastIndexByte(repo, ':'); !pinned && i > strings.LastIndexByte(repo, '/') {
			repo = repo[:i]
		}
		full := repo + "@" + digest
		if pinned {
			full = name
		}
		if digest != "" && !contains(out, full) {
			out = append(out, full)
		}
	}
	return out
}

func contains(list []string, s string) bool {
	for _, v := range list {
		if v == s {
			return true
		}
	}
	return false
}

func short(id string) string { return id[:min(12, len(id))] }

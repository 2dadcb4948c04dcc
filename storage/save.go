package storage

import (
	"archive/tar"
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/image/v5/docker/reference"
)

// SaveOptions says what Save writes.
type SaveOptions struct {
	Format string // "docker-archive" (also "") or "oci-archive"
}

// Save writes images to one archive, in the layout that Docker writes since version 25: an OCI layout that also has the
// manifest.json of docker-archive. With the format "oci-archive" it has not. The same images and refs give the same bytes.
// A ref that names a repository without a tag, where the image was found by it, saves that one image, under that name.
func (s *Store) Save(ctx context.Context, w io.Writer, refs []string, o SaveOptions) error {
	if o.Format != "" && o.Format != "docker-archive" && o.Format != "oci-archive" {
		return fmt.Errorf("invalid archive format %q: docker-archive or oci-archive", o.Format)
	}
	saves, err := s.saves(ctx, refs)
	if err != nil {
		return err
	}
	buf := bufio.NewWriterSize(w, 1<<20)
	a := &archiveWriter{store: s, ctx: ctx, tar: tar.NewWriter(buf), written: map[string]bool{}, format: o.Format}
	if err := a.write(saves); err != nil {
		return fmt.Errorf("save: %w", err)
	}
	if err := buf.Flush(); err != nil {
		return err
	}
	for _, one := range saves {
		s.tell("image", "save", one.img.ID, "name", strings.Join(one.tags, ","))
	}
	return nil
}

// saved is one image of an archive.
type saved struct {
	img  *Image
	tags []string // familiar names
}

// saves finds the images, each once, in the order of the refs. An image that was given by its id has no name in the archive.
func (s *Store) saves(ctx context.Context, refs []string) ([]*saved, error) {
	var list []*saved
	for _, ref := range refs {
		img, err := s.Image(ctx, ref)
		if err != nil {
			return nil, err
		}
		i := slices.IndexFunc(list, func(o *saved) bool { return o.img.ID == img.ID })
		if i < 0 {
			i, list = len(list), append(list, &saved{img: img})
		}
		if named, err := parseTag(ref); err == nil && contains(img.Names, named.String()) {
			if tag := reference.FamiliarString(named); !contains(list[i].tags, tag) {
				list[i].tags = append(list[i].tags, tag)
			}
		}
	}
	return list, nil
}

type archiveWriter struct {
	store   *Store
	ctx     context.Context
	tar     *tar.Writer
	written map[string]bool // paths
	format  string
}

// dockerManifest is one entry of manifest.json (moby, image/tarexport).
type dockerManifest struct {
	Config   string
	RepoTags []string
	Layers   []string
}

func (a *archiveWriter) write(saves []*saved) error {
	index := v1.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageIndex, Manifests: []v1.Descriptor{}}
	var docker []dockerManifest
	for _, sv := range saves {
		layers, err := a.layers(sv.img)
		if err != nil {
			return err
		}
		manifest, err := a.manifest(sv, layers)
		if err != nil {
			return err
		}
		index.Manifests = append(index.Manifests, named(manifest, sv.tags)...)
		entry := dockerManifest{Config: blobPath(digest.Digest("sha256:" + configDigest(sv.img))), RepoTags: sv.tags}
		for _, l := range layers {
			entry.Layers = append(entry.Layers, blobPath(l.Digest))
		}
		docker = append(docker, entry)
	}
	if err := a.json(v1.ImageIndexFile, index); err != nil {
		return err
	}
	if a.format != "oci-archive" {
		if err := a.json("manifest.json", docker); err != nil {
			return err
		}
	}
	if err := a.json(v1.ImageLayoutFile, v1.ImageLayout{Version: v1.ImageLayoutVersion}); err != nil {
		return err
	}
	return a.tar.Close()
}

// configDigest is the image's id but for images of other tools.
func configDigest(img *Image) string {
	sum := sha256.Sum256(img.RawConfig)
	return hex.EncodeToString(sum[:])
}

// layers writes the image's layers, as plain tars, and describes them, bottom first.
func (a *archiveWriter) layers(img *Image) ([]v1.Descriptor, error) {
	if len(img.LayerIDs) != len(img.DiffIDs) {
		return nil, fmt.Errorf("%w: %s: %d layers, %d diff ids", ErrCorrupt, short(img.ID), len(img.LayerIDs), len(img.DiffIDs))
	}
	descriptors := []v1.Descriptor{}
	for i, diffID := range img.DiffIDs {
		id := img.LayerIDs[len(img.LayerIDs)-1-i]
		size, err := a.layer(id, diffID)
		if err != nil {
			return nil, err
		}
		d := v1.Descriptor{MediaType: v1.MediaTypeImageLayer, Digest: digest.Digest(diffID), Size: size}
		descriptors = append(descriptors, d)
	}
	return descriptors, nil
}

func (a *archiveWriter) layer(id, diffID string) (size int64, err error) {
	chain, err := a.store.chain(id)
	if err != nil {
		return 0, err
	}
	l := chain[0]
	name := blobPath(digest.Digest(diffID))
	if a.written[name] {
		return l.DiffSize, nil
	}
	if err := a.header(name, l.DiffSize); err != nil {
		return 0, err
	}
	h := sha256.New()
	if err := a.store.writeLayer(a.ctx, io.MultiWriter(a.tar, h), chain); err != nil {
		return 0, fmt.Errorf("layer %s: %w", short(id), err)
	}
	if got := "sha256:" + hex.EncodeToString(h.Sum(nil)); got != diffID {
		return 0, fmt.Errorf("%w: layer %s: its files give %s, not %s", ErrCorrupt, short(id), got, diffID)
	}
	return l.DiffSize, nil
}

// manifest writes the image's config and a manifest for its plain layers, and describes that.
func (a *archiveWriter) manifest(sv *saved, layers []v1.Descriptor) (v1.Descriptor, error) {
	config, err := a.blob(v1.MediaTypeImageConfig, sv.img.RawConfig)
	if err != nil {
		return v1.Descriptor{}, err
	}
	data, err := json.Marshal(v1.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageManifest, Config: config, Layers: layers,
	})
	if err != nil {
		return v1.Descriptor{}, err
	}
	return a.blob(v1.MediaTypeImageManifest, data)
}

// named gives a manifest one entry of the index for each name.
func named(manifest v1.Descriptor, tags []string) []v1.Descriptor {
	if len(tags) == 0 {
		return []v1.Descriptor{manifest}
	}
	var entries []v1.Descriptor
	for _, tag := range tags {
		full, _ := NormalName(tag)
		entry := manifest
		entry.Annotations = map[string]string{
			"io.containerd.image.name": full,
			v1.AnnotationRefName:       full[splitTag(full):],
		}
		entries = append(entries, entry)
	}
	return entries
}

// splitTag is where the tag of a full name begins.
func splitTag(full string) int {
	repo, _ := splitName(full)
	return min(len(repo)+1, len(full))
}

func blobPath(d digest.Digest) string { return path.Join("blobs", d.Algorithm().String(), d.Encoded()) }

func (a *archiveWriter) blob(mediaType string, data []byte) (v1.Descriptor, error) {
	d := v1.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(data), Size: int64(len(data))}
	return d, a.file(blobPath(d.Digest), data)
}

func (a *archiveWriter) json(name string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return a.file(name, data)
}

func (a *archiveWriter) file(name string, data []byte) error {
	if a.written[name] {
		return nil
	}
	if err := a.header(name, int64(len(data))); err != nil {
		return err
	}
	_, err := a.tar.Write(data)
	return err
}

// header begins a file. Nothing in it changes from one time to the next.
func (a *archiveWriter) header(name string, size int64) error {
	a.written[name] = true
	return a.tar.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: size, ModTime: time.Unix(0, 0)})
}

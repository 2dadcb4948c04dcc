package storage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	docker "github.com/moby/docker-image-spec/specs-go/v1"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	cstorage "go.podman.io/storage"
)

// ImageSpec is an image to be created from layers that are in the store.
type ImageSpec struct {
	Config *v1.Image                      // RootFS is filled in from the layers; History, Created, Architecture, OS are the caller's
	Docker docker.DockerOCIImageConfigExt // what Docker adds to Config.Config
	Parent *Image                         // the base image, nil for scratch: its layers come below Layers
	Layers []*Layer                       // bottom first; CreateImage waits for their digests
	Names  []string                       // tags; each moves from the image that has it now. Empty: an untagged image
}

// CreateImage writes an image's records: config, manifest (OCI), names. It is durable when it returns; an image with the
// same config is the same image and only gets the names.
func (s *Store) CreateImage(ctx context.Context, spec ImageSpec) (*Image, error) {
	names, err := fullTags(spec.Names)
	if err != nil {
		return nil, err
	}
	blobs, err := spec.blobs(ctx, s)
	if err != nil {
		return nil, s.explain(fmt.Errorf("create image: %w", err))
	}
	if !s.haveNames(blobs.id(), names) {
		err = s.createImage(blobs, names)
	}
	if err == nil && s.building() {
		err = s.settle()
	}
	if err != nil {
		return nil, s.explain(fmt.Errorf("create image: %w", err))
	}
	for _, name := range names {
		s.tell("image", "tag", blobs.id(), "name", FamiliarName(name))
	}
	return s.Image(ctx, blobs.id())
}

// haveNames says whether the store has the image whole, under these names: a build that found all in its cache opens no library.
func (s *Store) haveNames(id string, names []string) bool {
	if !s.haveImage(id) {
		return false
	}
	img, err := s.Image(context.Background(), id)
	return err == nil && !slices.ContainsFunc(names, func(name string) bool { return !contains(img.Names, name) })
}

func fullTags(names []string) ([]string, error) {
	var full []string
	for _, name := range names {
		tag, err := parseTag(name)
		if err != nil {
			return nil, err
		}
		full = append(full, tag.String())
	}
	return full, nil
}

// imageBlobs is what an image consists of beside its layers.
type imageBlobs struct {
	config, manifest []byte
	topLayer         string
	image            *v1.Image
}

func (b *imageBlobs) id() string { return digest.FromBytes(b.config).Encoded() }

// blobs makes config and manifest of the spec.
func (spec *ImageSpec) blobs(ctx context.Context, s *Store) (*imageBlobs, error) {
	layers, err := spec.descriptors(ctx, s)
	if err != nil {
		return nil, err
	}
	image := *spec.Config
	image.RootFS = v1.RootFS{Type: "layers", DiffIDs: []digest.Digest{}}
	for _, l := range layers {
		image.RootFS.DiffIDs = append(image.RootFS.DiffIDs, l.Digest)
	}
	config, err := json.Marshal(docker.DockerOCIImage{
		Image:  image,
		Config: docker.DockerOCIImageConfig{ImageConfig: image.Config, DockerOCIImageConfigExt: spec.Docker},
	})
	if err != nil {
		return nil, err
	}
	manifest, err := json.Marshal(v1.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2},
		MediaType: v1.MediaTypeImageManifest,
		Config:    v1.Descriptor{MediaType: v1.MediaTypeImageConfig, Digest: digest.FromBytes(config), Size: int64(len(config))},
		Layers:    layers,
	})
	if err != nil {
		return nil, err
	}
	return &imageBlobs{config: config, manifest: manifest, topLayer: spec.topLayer(), image: &image}, nil
}

func (spec *ImageSpec) topLayer() string {
	if n := len(spec.Layers); n > 0 {
		return spec.Layers[n-1].ID
	}
	if spec.Parent != nil && len(spec.Parent.LayerIDs) > 0 {
		return spec.Parent.LayerIDs[0]
	}
	return ""
}

// descriptors describes the layers' tars, bottom first, as they are in the store: not compressed.
func (spec *ImageSpec) descriptors(ctx context.Context, s *Store) ([]v1.Descriptor, error) {
	layers := []v1.Descriptor{}
	add := func(diffID string, size int64) {
		layers = append(layers, v1.Descriptor{MediaType: v1.MediaTypeImageLayer, Digest: digest.Digest(diffID), Size: size})
	}
	below := ""
	if spec.Parent != nil {
		for _, id := range slices.Backward(spec.Parent.LayerIDs) {
			l, err := s.Layer(id)
			if err != nil {
				return nil, err
			}
			d, err := l.digest.wait(ctx)
			if err != nil {
				return nil, err
			}
			add(d.diffID, d.size)
			below = id
		}
	}
	for _, l := range spec.Layers {
		if l.Parent != below {
			return nil, fmt.Errorf("layer %s does not lie on %q", short(l.ID), short(below))
		}
		d, err := l.digest.wait(ctx)
		if err != nil {
			return nil, err
		}
		add(d.diffID, d.size)
		below = l.ID
	}
	return layers, nil
}

// createImage writes the records in an order in which neither a kill nor a power cut leaves a name without its image: the
// layers first, then the image without a name, then its names.
func (s *Store) createImage(b *imageBlobs, names []string) error {
	lib, err := s.library()
	if err != nil {
		return err
	}
	if err := s.recordDigests(); err != nil {
		return err
	}
	if !s.haveImage(b.id()) {
		if err := s.settle(); err != nil {
			return err
		}
		if err := s.putRecord(lib, b); err != nil {
			return err
		}
	}
	return s.putNames(lib, b.id(), names)
}

func (s *Store) putRecord(lib cstorage.Store, b *imageBlobs) error {
	d := digest.FromBytes(b.manifest)
	options := &cstorage.ImageOptions{Digest: d, BigData: []cstorage.ImageBigDataOption{
		{Key: digest.FromBytes(b.config).String(), Data: b.config, Digest: digest.FromBytes(b.config)},
		{Key: cstorage.ImageDigestBigDataKey, Data: b.manifest, Digest: d},
	}}
	if b.image.Created != nil {
		options.CreationDate = *b.image.Created
	}
	_, err := lib.CreateImage(b.id(), nil, b.topLayer, "", options)
	if errors.Is(err, cstorage.ErrDuplicateID) {
		return nil
	}
	if err != nil {
		return err
	}
	return s.syncFiles(filepath.Dir(s.dir.BigData(b.id(), cstorage.ImageDigestBigDataKey)), filepath.Dir(s.dir.ImagesFile()))
}

// putNames gives an image names, which leave the images that have them, durably.
func (s *Store) putNames(lib cstorage.Store, id string, names []string) error {
	if len(names) == 0 {
		return nil
	}
	if err := lib.AddNames(id, names); err != nil {
		return err
	}
	return s.syncFiles(filepath.Dir(s.dir.ImagesFile()))
}

// Tag gives the image one more name; the name leaves the image that has it.
func (s *Store) Tag(ctx context.Context, ref, name string) error {
	tag, err := parseTag(name)
	if err != nil {
		return err
	}
	img, err := s.Image(ctx, ref)
	if err != nil {
		return err
	}
	lib, err := s.library()
	if err != nil {
		return err
	}
	if err := s.putNames(lib, img.ID, []string{tag.String()}); err != nil {
		return s.explain(fmt.Errorf("tag %s: %w", name, err))
	}
	s.tell("image", "tag", img.ID, "name", FamiliarName(tag.String()))
	return nil
}

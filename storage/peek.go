package storage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/image/v5/image"
	"go.podman.io/image/v5/manifest"
	"go.podman.io/image/v5/pkg/blobinfocache/none"
	"go.podman.io/image/v5/types"
)

// peeked is an image that may come in: its source is open, its manifest and config are read and agree with their digests.
// It is an image reference whose source gives those again without asking for them again: registries count such requests.
type peeked struct {
	types.ImageReference
	source *cachingSource

	config     *v1.Image
	id         string        // digest of the config, 64 hexadecimal digits
	manifest   []byte        // the image's
	digest     digest.Digest // of manifest
	listDigest digest.Digest // of the list that it was chosen from, or of manifest
	list       []byte        // that list, or manifest
	layers     []types.BlobInfo
}

// peek opens an image and reads what it says of itself. close must be called.
func peek(ctx context.Context, ref types.ImageReference, sys *types.SystemContext) (*peeked, error) {
	raw, err := ref.NewImageSource(ctx, sys)
	if err != nil {
		return nil, err
	}
	p := &peeked{ImageReference: ref, source: &cachingSource{ImageSource: raw, manifests: map[digest.Digest]cachedManifest{}}}
	if err := p.read(ctx, sys); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

func (p *peeked) close() { p.source.ImageSource.Close() }

func (p *peeked) read(ctx context.Context, sys *types.SystemContext) error {
	top := image.UnparsedInstance(p.source, nil)
	blob, mime, err := top.Manifest(ctx)
	if err != nil {
		return err
	}
	p.list, p.manifest = blob, blob
	if manifest.MIMETypeIsMultiImage(mime) {
		list, err := manifest.ListFromBlob(blob, mime)
		if err != nil {
			return err
		}
		chosen, err := list.ChooseInstance(sys)
		if err != nil {
			return err
		}
		top = image.UnparsedInstance(p.source, &chosen)
		if p.manifest, _, err = top.Manifest(ctx); err != nil {
			return err
		}
	}
	if p.listDigest, err = manifest.Digest(p.list); err != nil {
		return err
	}
	if p.digest, err = manifest.Digest(p.manifest); err != nil {
		return err
	}
	return p.readImage(ctx, sys, top)
}

func (p *peeked) readImage(ctx context.Context, sys *types.SystemContext, top *image.UnparsedImage) error {
	img, err := image.FromUnparsedImage(ctx, sys, top)
	if err != nil {
		return err
	}
	info := img.ConfigInfo()
	if info.Digest == "" {
		return errors.New("manifests of version 2 schema 1 are not supported")
	}
	if p.config, err = img.OCIConfig(ctx); err != nil {
		return err
	}
	p.id, p.layers = info.Digest.Encoded(), img.LayerInfos()
	return nil
}

// layerIDs gives the ids that containers/image will give the layers, bottom first (layerID in its storage_dest.go).
func (p *peeked) layerIDs() ([]string, error) {
	var ids []string
	parent := ""
	for _, d := range p.config.RootFS.DiffIDs {
		if err := d.Validate(); err != nil {
			return nil, fmt.Errorf("%w: config: diff id %q: %v", ErrCorrupt, d, err)
		}
		id := d.Encoded()
		if parent != "" {
			id = digest.Canonical.FromString(parent + "+" + id).Encoded()
		}
		ids = append(ids, id)
		parent = id
	}
	return ids, nil
}

// NewImageSource gives the source that is open already.
func (p *peeked) NewImageSource(context.Context, *types.SystemContext) (types.ImageSource, error) {
	return p.source, nil
}

// cachingSource keeps what is small: manifests and the config. It stays open when a copy closes it.
type cachingSource struct {
	types.ImageSource
	manifests map[digest.Digest]cachedManifest // "" for the first one
	config    *types.BlobInfo
	blob      []byte // of config
}

type cachedManifest struct {
	blob []byte
	mime string
}

func (c *cachingSource) Close() error { return nil }

// GetManifest is that of types.ImageSource. It is not called by several goroutines.
func (c *cachingSource) GetManifest(ctx context.Context, instance *digest.Digest) ([]byte, string, error) {
	var key digest.Digest
	if instance != nil {
		key = *instance
	}
	if m, ok := c.manifests[key]; ok {
		return m.blob, m.mime, nil
	}
	blob, mime, err := c.ImageSource.GetManifest(ctx, instance)
	if err != nil {
		return nil, "", err
	}
	c.manifests[key] = cachedManifest{blob, mime}
	return blob, mime, nil
}

// maxConfig is how many bytes of a blob are taken for a config; containers/image has the same limit.
const maxConfig = 4 << 20

// GetBlob is that of types.ImageSource. The first blob that is asked for is the config; peek asks before there are several goroutines.
func (c *cachingSource) GetBlob(ctx context.Context, info types.BlobInfo, cache types.BlobInfoCache) (io.ReadCloser, int64, error) {
	if c.config == nil {
		blob, err := c.readConfig(ctx, info)
		if err != nil {
			return nil, 0, err
		}
		c.config, c.blob = &info, blob
	}
	if info.Digest == c.config.Digest {
		return io.NopCloser(bytes.NewReader(c.blob)), int64(len(c.blob)), nil
	}
	return c.ImageSource.GetBlob(ctx, info, cache)
}

func (c *cachingSource) readConfig(ctx context.Context, info types.BlobInfo) ([]byte, error) {
	r, _, err := c.ImageSource.GetBlob(ctx, info, none.NoCache)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	blob, err := io.ReadAll(io.LimitReader(r, maxConfig+1))
	if err != nil {
		return nil, err
	}
	if len(blob) > maxConfig {
		return nil, fmt.Errorf("%w: the config is larger than %d bytes", ErrCorrupt, maxConfig)
	}
	return blob, nil
}

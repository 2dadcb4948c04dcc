package storage

import (
	"context"
	"time"

	docker "github.com/moby/docker-image-spec/specs-go/v1"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// Image is one local image. The values of one that Store.Image gave must not be changed.
type Image struct {
	ID           string                         // digest of the config, 64 lower-case hexadecimal digits
	Names        []string                       // normalised: docker.io/library/busybox:latest; FamiliarName shortens them
	Digest       string                         // of the manifest: sha256:…
	RepoDigests  []string                       // docker.io/library/busybox@sha256:…
	Created      time.Time                      // as the config says; zero when it does not
	Size         int64                          // bytes of all layers, uncompressed
	Config       *v1.Image                      // the config as the OCI specifies it
	Docker       docker.DockerOCIImageConfigExt // what Docker adds to Config.Config: Healthcheck, OnBuild, Shell
	RawConfig    []byte                         // the config blob, byte for byte
	Manifest     []byte                         // the manifest, byte for byte
	ManifestType string                         // its media type
	Layers       []string                       // diff directories, top first, as overlay's lowerdir wants them
	LayerIDs     []string                       // top first
	DiffIDs      []string                       // sha256:…, bottom first, as in the config
}

// Image finds a local image by name, id, unique id prefix or digest, by Docker's rules for what a name leaves out.
// It takes no lock. Errors: ErrNoImage, ErrBadReference, ErrAmbiguousID, ErrCorrupt.
func (s *Store) Image(ctx context.Context, ref string) (*Image, error) { return nil, ErrNoImage }

// Images lists the local images, newest first. Images that cannot be read are left out. It takes no lock.
func (s *Store) Images(ctx context.Context) ([]*Image, error) { return nil, nil }

// History is one line of Image history.
type History struct {
	v1.History
	Size  int64  // bytes of the layer this entry made; 0 for an empty layer
	Layer string // its layer id; "" for an empty layer
}

// History tells how the image came to be, newest first.
func (s *Store) History(ctx context.Context, ref string) ([]History, error) { return nil, ErrNoImage }

// ImageSpec is an image to be created from layers that are in the store.
type ImageSpec struct {
	Config *v1.Image                      // RootFS is filled in from the layers; History, Created, Architecture, OS are the caller's
	Docker docker.DockerOCIImageConfigExt // what Docker adds to Config.Config
	Parent *Image                         // the base image, nil for scratch: its layers come below Layers
	Layers []*Layer                       // bottom first; CreateImage waits for their digests
	Names  []string                       // tags; each moves from the image that has it now. Empty: an untagged image
}

// CreateImage writes an image's records: config, manifest (OCI), names. It is durable when it returns.
func (s *Store) CreateImage(ctx context.Context, spec ImageSpec) (*Image, error) {
	return nil, ErrNoImage
}

// Tag gives the image one more name; the name leaves the image that has it.
func (s *Store) Tag(ctx context.Context, ref, name string) error { return ErrNoImage }

// RemoveOptions says how Remove removes.
type RemoveOptions struct {
	Force   bool                          // remove an image by id though it has several names
	NoPrune bool                          // keep untagged parents
	InUse   func(imageID string) []string // the containers that use an image, as they are to be named in the error; nil: none
}

// Removed is one line of what Remove did: one of the two is set.
type Removed struct {
	Untagged string // the familiar name that was taken away
	Deleted  string // sha256:… of the image or layer that was deleted
}

// Remove takes a name away and, with the last name, the image and every layer nothing else needs, by the rules of `docker rmi`.
// Errors: ErrNoImage, ErrImageInUse, ErrImageTagged.
func (s *Store) Remove(ctx context.Context, ref string, o RemoveOptions) ([]Removed, error) {
	return nil, ErrNoImage
}

// HoldImages keeps Remove from deleting images until release is called. Held while a container directory that names an
// image is written.
func (s *Store) HoldImages() (release func(), err error) { return func() {}, nil }

// NormalName gives the name in full: busybox → docker.io/library/busybox:latest. ErrBadReference.
func NormalName(name string) (string, error) { return "", ErrBadReference }

// FamiliarName shortens a full name as Docker prints it: docker.io/library/busybox:latest → busybox:latest.
func FamiliarName(name string) string { return name }

package storage

import (
	"context"
	"io"
)

// PullOptions says how an image is fetched.
type PullOptions struct {
	Platform  string    // os/arch[/variant]; "" is this machine's
	Quiet     bool      // write no progress
	Progress  io.Writer // Docker's progress lines; nil: none
	TLSVerify *bool     // nil: verify, but registries on 127.0.0.0/8 and localhost may speak HTTP or show any certificate
	AuthFile  string    // credentials; "": containers' auth.json, then ~/.docker/config.json
}

// Pull fetches an image from a registry and names it ref. Errors: ErrNoImage (unknown or denied), ErrBadReference, ErrCorrupt, ErrNoSpace.
func (s *Store) Pull(ctx context.Context, ref string, o PullOptions) (*Image, error) {
	return nil, ErrNoImage
}

// LoadOptions says how an archive is read.
type LoadOptions struct {
	Platform string    // of an archive with several; "" is this machine's
	Progress io.Writer // nil: none
}

// Loaded is one image of an archive.
type Loaded struct {
	Name string // the familiar name; "" for an image without one
	ID   string // 64 hexadecimal digits
}

// Load reads an archive as `docker save`, skopeo or buildx write them: docker-archive or OCI layout, plain or compressed by gzip, zstd,
// xz or bzip2.
func (s *Store) Load(ctx context.Context, r io.Reader, o LoadOptions) ([]Loaded, error) {
	return nil, ErrNoImage
}

// SaveOptions says what Save writes.
type SaveOptions struct {
	Format string // "docker-archive" (the default) or "oci-archive"
}

// Save writes images to one archive. The same images give the same bytes.
func (s *Store) Save(ctx context.Context, w io.Writer, refs []string, o SaveOptions) error {
	return ErrNoImage
}

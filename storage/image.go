package storage

import (
	"encoding/json"
	"fmt"
	"os"
	"time"

	"codeberg.org/hoy/hoy/storage/records"
	docker "github.com/moby/docker-image-spec/specs-go/v1"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// Image is one local image. Its values must not be changed.
type Image struct {
	ID          string                         // digest of the config, 64 lower-case hexadecimal digits
	Names       []string                       // in full: docker.io/library/busybox:latest; FamiliarName shortens them
	Digest      string                         // of the manifest: sha256:…
	RepoDigests []string                       // docker.io/library/busybox@sha256:…
	Created     time.Time                      // as the config says; zero when it does not
	Size        int64                          // bytes of all layers' tars
	Config      *v1.Image                      // the config as the OCI specifies it
	Docker      docker.DockerOCIImageConfigExt // what Docker adds to Config.Config: Healthcheck, OnBuild, Shell
	RawConfig   []byte                         // the config blob, byte for byte
	Layers      []string                       // diff directories, top first, as overlay's lowerdir wants them
	LayerIDs    []string                       // top first
	DiffIDs     []string                       // sha256:…, bottom first, as in the config
}

// parseConfig reads RawConfig into Config and Docker.
func (i *Image) parseConfig() error {
	var c docker.DockerOCIImage
	if err := json.Unmarshal(i.RawConfig, &c); err != nil {
		return err
	}
	c.Image.Config = c.Config.ImageConfig
	i.Config, i.Docker = &c.Image, c.Config.DockerOCIImageConfigExt
	return nil
}

// Manifest gives an image's manifest, byte for byte.
func (s *Store) Manifest(img *Image) ([]byte, error) {
	data, err := os.ReadFile(s.dir.BigData(img.ID, records.ManifestKey))
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %v", ErrCorrupt, short(img.ID), err)
	}
	return data, nil
}

package engine

import (
	"context"
	"errors"
	"fmt"
	"os"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"codeberg.org/hoy/hoy/oci/health"
	"codeberg.org/hoy/hoy/storage"
)

// mergeImage finds the image, pulls it where it must, and merges its config into r. Until release is called no image and no volume is removed.
func (e *Engine) mergeImage(ctx context.Context, r *record, o CreateOptions) (release func(), lower lowers, err error) {
	if r.Rootfs != "" {
		r.MergeImage(&v1.ImageConfig{})
		dirs, err := rootfsLower(r)
		if err != nil {
			return nil, lower, err
		}
		release, err := e.Store.HoldImages()
		return release, lowers{dirs: dirs}, err
	}
	img, release, err := e.image(ctx, r, o)
	if err != nil {
		return nil, lower, err
	}
	r.MergeImage(&img.Config.Config)
	if h := img.Docker.Healthcheck; h != nil {
		r.Healthcheck = r.Healthcheck.Merge(&health.Check{
			Test: h.Test, Shell: img.Docker.Shell, Interval: h.Interval, Timeout: h.Timeout,
			StartPeriod: h.StartPeriod, StartInterval: h.StartInterval, Retries: h.Retries,
		})
	}
	r.ImageID = img.ID
	if len(img.LayerIDs) > 0 {
		r.TopLayer = img.LayerIDs[0]
	}
	return release, lowers{dirs: img.Layers}, nil
}

// rootfsLower is what lies under the upper directory of a container whose root is a directory that it leaves as it is.
func rootfsLower(r *record) ([]string, error) {
	if info, err := os.Stat(r.Rootfs); err != nil {
		return nil, fmt.Errorf("rootfs: %w", err)
	} else if !info.IsDir() {
		return nil, fmt.Errorf("rootfs: %s is not a directory", r.Rootfs)
	}
	if !r.RootfsOverlay {
		return nil, nil
	}
	return []string{r.Rootfs}, nil
}

// image gives the image, held, by the pull policy in o.
func (e *Engine) image(ctx context.Context, r *record, o CreateOptions) (*storage.Image, func(), error) {
	if o.Pull != "always" && o.Pull != "newer" {
		img, release, err := e.heldImage(ctx, r.Image)
		if err == nil {
			if err = img.CheckPlatform(r.Platform); err != nil {
				release()
			}
		}
		if !errors.Is(err, storage.ErrNoImage) || o.Pull == "never" {
			return img, release, err
		}
		if o.Progress != nil && !o.Quiet {
			fmt.Fprintf(o.Progress, "Unable to find image '%s' locally\n", withTag(r.Image))
		}
	}
	o.PullOptions.Platform = r.Platform
	_, err := e.Store.Pull(ctx, r.Image, o.PullOptions)
	if err != nil && (o.Pull != "newer" || !e.hasImage(ctx, r)) {
		return nil, nil, err
	}
	return e.heldImage(ctx, r.Image)
}

func (e *Engine) hasImage(ctx context.Context, r *record) bool {
	img, err := e.Store.Image(ctx, r.Image)
	return err == nil && img.CheckPlatform(r.Platform) == nil
}

func (e *Engine) heldImage(ctx context.Context, ref string) (*storage.Image, func(), error) {
	release, err := e.Store.HoldImages()
	if err != nil {
		return nil, nil, err
	}
	img, err := e.Store.Image(ctx, ref)
	if err != nil {
		release()
		return nil, nil, err
	}
	return img, release, nil
}

// withTag shows a reference as Docker does when it says that it pulls it.
func withTag(ref string) string {
	if full, err := storage.NormalName(ref); err == nil {
		return storage.FamiliarName(full)
	}
	return ref
}

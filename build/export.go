package build

import (
	"context"
	"fmt"
	"os"
	"strings"

	"codeberg.org/hoy/hoy/storage"
	"golang.org/x/sync/errgroup"
)

// export makes the image of the target's config and layers, and gives its id.
func (b *builder) export(ctx context.Context, target *stage, r *result) (id string, err error) {
	show := b.printer.Step("exporting to image")
	show.Begin()
	defer func() {
		if err != nil {
			show.Failed(err)
		}
	}()
	config := target.config
	if len(b.options.Labels) > 0 && config.Config.Labels == nil {
		config.Config.Labels = map[string]string{}
	}
	for k, v := range b.options.Labels {
		config.Config.Labels[k] = v
	}
	base := 0
	if r.image != nil {
		base = len(r.image.DiffIDs)
	}
	config.finish(base, r.created)
	show.Note("exporting layers")
	if err := b.finishLayers(ctx, r); err != nil {
		return "", err
	}
	show.Note("exporting layers done")
	img, err := b.options.Store.CreateImage(ctx, storage.ImageSpec{
		Config: &config.Image, Docker: config.docker, Parent: r.image, Layers: r.layers, Names: b.names,
	})
	if err != nil {
		return "", fmt.Errorf("create image: %w", err)
	}
	show.Note("writing image sha256:%s done", img.ID)
	for _, t := range b.options.Tags {
		show.Note("naming to %s done", shownTag(t))
	}
	show.Done()
	return "sha256:" + img.ID, nil
}

// finishLayers waits for the layers' digests, and lets their files go to the disk meanwhile.
func (b *builder) finishLayers(ctx context.Context, r *result) error {
	var g errgroup.Group
	switch {
	case b.executor.flushing:
		g.Go(b.executor.flushed)
	case b.executor.made.Load():
		g.Go(b.options.Store.Flush)
	}
	for _, l := range r.layers {
		g.Go(func() error {
			if _, err := l.WaitDiffID(ctx); err != nil {
				return fmt.Errorf("digest of layer %s: %w", l.ID, err)
			}
			return nil
		})
	}
	return g.Wait()
}

// fullName is an image's name with registry and tag.
func fullName(name string) (string, error) { return storage.NormalName(name) }

// shownTag is a name with its registry, and with a tag when it was given with one, as buildx shows it.
func shownTag(tag string) string {
	full, err := storage.NormalName(tag)
	if err != nil {
		return tag
	}
	if !strings.Contains(tag[strings.LastIndexByte(tag, '/')+1:], ":") {
		return strings.TrimSuffix(full, ":latest")
	}
	return full
}

// report gives the image's id to those who asked for it.
func (b *builder) report(id string) (*Result, error) {
	if b.options.IIDFile != "" {
		if err := os.WriteFile(b.options.IIDFile, []byte(id), 0o644); err != nil {
			return nil, fmt.Errorf("write image id file: %w", err)
		}
	}
	if b.options.Progress == "quiet" {
		if _, err := fmt.Fprintln(b.options.Stdout, id); err != nil {
			return nil, err
		}
	}
	return &Result{ImageID: id, Names: b.names}, nil
}

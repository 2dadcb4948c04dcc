package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"time"

	docker "github.com/moby/docker-image-spec/specs-go/v1"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sys/unix"

	"codeberg.org/hoy/hoy/engine/carry"
	"codeberg.org/hoy/hoy/oci/inroot"
	"codeberg.org/hoy/hoy/storage"
)

// ImageOptions say what Commit and Import make besides the layer.
type ImageOptions struct {
	Names   []string // tags
	Author  string
	Message string
	// Change changes the new image's config: --change.
	Change func(*v1.Image, *docker.DockerOCIImageConfigExt) error
}

// Commit makes an image of what the container is now: its image's layers and one of its changes, and its config. With pause a running
// container is paused meanwhile, where the machine can.
func (e *Engine) Commit(ctx context.Context, c *Container, o ImageOptions, pause bool) (*storage.Image, error) {
	if err := c.usable(); err != nil {
		return nil, err
	}
	if c.Config.Rootfs != "" {
		return nil, errors.New("a container with --rootfs has no image to add a layer to")
	}
	base, err := e.Store.Image(ctx, c.Config.ImageID)
	if err != nil {
		return nil, err
	}
	spec := storage.ImageSpec{Config: containerImage(base, c), Docker: base.Docker, Parent: base, Names: o.Names}
	if h := c.Config.Healthcheck; h != nil {
		spec.Docker.Healthcheck = &docker.HealthcheckConfig{
			Test: h.Test, Interval: h.Interval, Timeout: h.Timeout, StartPeriod: h.StartPeriod, StartInterval: h.StartInterval, Retries: h.Retries,
		}
	}
	spec.Docker.OnBuild = nil // they were for builds from the base
	if err := o.apply(&spec); err != nil {
		return nil, err
	}
	if pause && c.State.Status == StatusRunning && e.Pause(c) == nil {
		defer e.resume(c)
	}
	layer, err := e.commitUpper(ctx, c, base)
	if err != nil {
		return nil, e.orGone(c, err)
	}
	h := v1.History{Created: spec.Config.Created, CreatedBy: strings.Join(c.Config.Cmd, " "), Author: o.Author, Comment: o.Message, EmptyLayer: layer == nil}
	spec.Config.History = append(slices.Clone(base.Config.History), h)
	if layer != nil {
		spec.Layers = []*storage.Layer{layer}
	}
	img, err := e.createImage(ctx, spec)
	if err == nil {
		e.happened(c, "commit", "comment", o.Message, "imageID", "sha256:"+img.ID, "imageRef", strings.Join(o.Names, ","))
	}
	return img, err
}

// resume lets a container go on that was paused for a moment.
func (e *Engine) resume(c *Container) {
	if now, err := e.load(c.ID()); err == nil {
		e.Unpause(now) // it may have ended
	}
}

func (e *Engine) createImage(ctx context.Context, spec storage.ImageSpec) (*storage.Image, error) {
	img, err := e.Store.CreateImage(ctx, spec)
	if closed := e.Store.Close(); err == nil {
		err = closed
	}
	return img, err
}

func (o *ImageOptions) apply(spec *storage.ImageSpec) error {
	now := time.Now().UTC()
	spec.Config.Created, spec.Config.Author = &now, o.Author
	if o.Change == nil {
		return nil
	}
	return o.Change(spec.Config, &spec.Docker)
}

// containerImage is the base's config with what the container has of its own, as Docker commits it.
func containerImage(base *storage.Image, c *Container) *v1.Image {
	img, cfg := *base.Config, &c.Config
	i := &img.Config
	i.Entrypoint, i.Cmd, i.Env = slices.Clone(cfg.Entrypoint), slices.Clone(cfg.Cmd), slices.Clone(cfg.Env)
	i.User, i.WorkingDir, i.StopSignal = cfg.User, cfg.WorkingDir, cfg.StopSignal
	i.Labels, i.ExposedPorts = nil, nil
	for k, v := range cfg.Labels {
		if i.Labels == nil {
			i.Labels = map[string]string{}
		}
		i.Labels[k] = v
	}
	for _, p := range cfg.Ports {
		if i.ExposedPorts == nil {
			i.ExposedPorts = map[string]struct{}{}
		}
		i.ExposedPorts[p] = struct{}{}
	}
	return &img
}

// commitUpper makes a layer of a copy of the container's upper directory; nil when there is nothing in it.
func (e *Engine) commitUpper(ctx context.Context, c *Container, base *storage.Image) (*storage.Layer, error) {
	stage, err := e.Store.StageLayer(base.Layers)
	if err != nil {
		return nil, err
	}
	defer stage.Discard()
	n := 0
	err = e.withUpper(c, func(upper, root int) error {
		to, err := unix.Open(stage.Dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(to)
		n, err = carry.Clone(ctx, upper, to, carry.CloneOptions{Leave: leavePlaces(root), IDs: c.upperIDs()})
		return err
	})
	if err != nil || n == 0 {
		return nil, err
	}
	parent := ""
	if len(base.LayerIDs) > 0 {
		parent = base.LayerIDs[0]
	}
	return stage.Commit(ctx, storage.CommitOptions{Parent: parent})
}

// Import makes an image with one layer, the content of a tar, which is not compressed. platform is os/arch[/variant]; "" is this machine's.
func (e *Engine) Import(ctx context.Context, r io.Reader, platform string, o ImageOptions) (*storage.Image, error) {
	img := &v1.Image{Platform: v1.Platform{OS: runtime.GOOS, Architecture: runtime.GOARCH}}
	if platform != "" {
		words := append(strings.Split(platform, "/"), "", "")
		if len(words) < 4 || len(words) > 5 || words[0] == "" || words[1] == "" {
			return nil, fmt.Errorf("%q: platform specifier component must be os/arch or os/arch/variant", platform)
		}
		img.Platform = v1.Platform{OS: words[0], Architecture: words[1], Variant: words[2]}
	}
	spec := storage.ImageSpec{Config: img, Names: o.Names}
	if err := o.apply(&spec); err != nil {
		return nil, err
	}
	img.History = []v1.History{{Created: img.Created, Comment: o.Message}}
	stage, err := e.Store.StageLayer(nil)
	if err != nil {
		return nil, err
	}
	defer stage.Discard()
	root, err := unix.Open(stage.Dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	err = carry.Unpack(ctx, r, inroot.Root(root), "/", carry.UnpackOptions{})
	unix.Close(root)
	if err != nil {
		return nil, fmt.Errorf("import: %w", err)
	}
	layer, err := stage.Commit(ctx, storage.CommitOptions{})
	if err != nil {
		return nil, err
	}
	spec.Layers = []*storage.Layer{layer}
	made, err := e.createImage(ctx, spec)
	if err == nil {
		id := "sha256:" + made.ID
		stored(e.o.Root, storage.Happening{Type: "image", Action: "import", ID: id, Attributes: map[string]string{"name": id}})
	}
	return made, err
}

package build

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"codeberg.org/hoy/hoy/build/progress"
	"codeberg.org/hoy/hoy/storage"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/util/suggest"
	"golang.org/x/sync/errgroup"
)

// images finds base images, each once.
type images struct {
	store   *storage.Store
	pull    bool // ask the registry first
	printer *progress.Printer

	mu    sync.Mutex
	found map[string]func() (*storage.Image, error)
}

// get finds an image here, or in the registry when it is not here or Pull asks for it.
func (i *images) get(ctx context.Context, ref string) (*storage.Image, error) {
	i.mu.Lock()
	if i.found == nil {
		i.found = map[string]func() (*storage.Image, error){}
	}
	once, ok := i.found[ref]
	if !ok {
		once = sync.OnceValues(func() (*storage.Image, error) { return i.load(ctx, ref) })
		i.found[ref] = once
	}
	i.mu.Unlock()
	return once()
}

func (i *images) load(ctx context.Context, ref string) (img *storage.Image, err error) {
	full := ref
	if name, err := storage.NormalName(ref); err == nil {
		full = name
	}
	show := i.printer.Step("[internal] load metadata for " + full)
	show.Begin()
	defer func() {
		if err != nil {
			show.Failed(err)
		} else {
			show.Done()
		}
	}()
	if !i.pull {
		img, err = i.store.Image(ctx, ref)
		if !errors.Is(err, storage.ErrNoImage) {
			return img, err
		}
	}
	img, err = i.store.Pull(ctx, ref, storage.PullOptions{Progress: show})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", ref, err)
	}
	return img, nil
}

// commonImages are suggested when a FROM names no image that can be found.
var commonImages = []string{"alpine", "busybox", "centos", "debian", "golang", "ubuntu", "fedora"}

// resolve finds what the target needs: base images, and the triggers that they and earlier stages left for stages built on them. A
// trigger may need further stages, so this goes on until nothing new is needed.
func (p *planner) resolve(ctx context.Context, target *stage) ([]*stage, error) {
	for {
		all := reachable(target)
		var open []*stage
		for _, s := range all {
			if !s.resolved {
				open = append(open, s)
			}
		}
		if len(open) == 0 {
			return all, nil
		}
		if err := p.findImages(ctx, open); err != nil {
			return nil, err
		}
		for _, s := range open {
			s.resolved = true
			if err := p.addTriggers(s); err != nil {
				return nil, parser.SetLocation(err, s.Location)
			}
		}
		if err := p.checkCycles(); err != nil {
			return nil, err
		}
	}
}

func (p *planner) findImages(ctx context.Context, stages []*stage) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, s := range stages {
		if s.base != nil || s.BaseName == "scratch" {
			continue
		}
		g.Go(func() error {
			img, err := p.images.get(ctx, s.BaseName)
			if err != nil {
				err = suggest.WrapError(err, s.BaseName, append(p.names(), commonImages...), true)
				return parser.WithLocation(err, s.Location)
			}
			s.image = img
			return nil
		})
	}
	return g.Wait()
}

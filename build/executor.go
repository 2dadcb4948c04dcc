package build

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"codeberg.org/hoy/hoy/build/cache"
	"codeberg.org/hoy/hoy/build/rootfs"
	"codeberg.org/hoy/hoy/storage"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/patternmatcher"
	"golang.org/x/sync/errgroup"
)

// executor makes steps, each once, those that do not need each other at the same time.
type executor struct {
	options *Options
	cache   *cache.Cache
	slots   chan struct{} // as many operations run at once as it holds
	context *buildContext
	ignore  *patternmatcher.PatternMatcher // .dockerignore; nil without one

	last     *step          // of the target
	made     atomic.Bool    // a layer was made
	flushing bool           // the last step's files are on their way to the disk
	flush    errgroup.Group // that

	mu      sync.Mutex
	tmp     string         // this build's directory for files of its own
	closers []func() error // in the order they came
}

func newExecutor(o *Options, c *cache.Cache) *executor {
	return &executor{options: o, cache: c, slots: make(chan struct{}, max(2, runtime.NumCPU()))}
}

// close releases what the steps have opened, the last first.
func (x *executor) close() error {
	errs := []error{x.flushed()}
	for i := len(x.closers) - 1; i >= 0; i-- {
		errs = append(errs, x.closers[i]())
	}
	x.closers = nil
	return errors.Join(errs...)
}

// flushed waits until what perform has begun to flush is on the disk.
func (x *executor) flushed() error {
	if !x.flushing {
		return nil
	}
	x.flushing = false
	return x.flush.Wait()
}

func (x *executor) onClose(f func() error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.closers = append(x.closers, f)
}

// tempDir is a directory that is removed when the build ends, however it ends.
func (x *executor) tempDir(ctx context.Context) (string, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.tmp == "" {
		dir, release, err := x.cache.TempDir(ctx)
		if err != nil {
			return "", err
		}
		x.tmp = dir
		x.closers = append(x.closers, release)
	}
	return x.tmp, nil
}

// tree opens the root file system of a result until the build ends.
func (x *executor) tree(r *result) (*rootfs.Tree, error) {
	t, err := rootfs.Open(r.lower, x.rootOptions())
	if err != nil {
		return nil, err
	}
	x.onClose(func() error { t.Close(); return nil })
	return t, nil
}

func (x *executor) rootOptions() rootfs.Options { return rootfs.Options{UserXattr: x.options.Rootless} }

// resolve gives a step's result and makes it, and what it needs, when nobody has yet.
func (x *executor) resolve(ctx context.Context, s *step) (*result, error) {
	if s == nil {
		return emptyResult(), nil
	}
	s.once.Do(func() {
		s.result, s.err = x.make(ctx, s)
		s.op = nil // with the files that it read
		if s.err != nil {
			x.failed(ctx, s)
		}
	})
	if s.isImage {
		s.show.Cached()
	}
	return s.result, s.err
}

// failed shows why a step has no result, and where it stands in the Dockerfile.
func (x *executor) failed(ctx context.Context, s *step) {
	if ctx.Err() != nil {
		s.err = context.Cause(ctx) // another step's error, or the build was interrupted
		s.show.Canceled()
		return
	}
	var of *stepError
	if errors.As(s.err, &of) {
		return // one that it needs failed
	}
	s.show.Failed(s.err)
	s.err = &stepError{step: s, err: parser.WithLocation(s.err, s.location)}
}

// stepError is the error of the step that failed first.
type stepError struct {
	step *step
	err  error
}

func (e *stepError) Error() string { return e.err.Error() }
func (e *stepError) Unwrap() error { return e.err }

// make finds a step's layer in the cache, or does its operation.
func (x *executor) make(ctx context.Context, s *step) (*result, error) {
	in, err := x.inputs(ctx, s)
	if err != nil {
		return nil, err
	}
	quick, err := s.op.quickKey(in)
	if err != nil {
		return nil, err
	}
	fresh := x.options.NoCache && s.op.again()
	if r := x.find(quick, in, fresh); r != nil {
		return r, nil
	}
	key, err := s.op.key(ctx, x, in)
	if err != nil {
		return nil, err
	}
	if r := x.find(key, in, fresh); r != nil {
		return r, x.alias(quick, key)
	}
	unlock, err := x.cache.Lock(ctx, key, func() { s.show.Note("waiting for another build") })
	if err != nil {
		return nil, err
	}
	defer unlock()
	if r := x.find(key, in, fresh); r != nil {
		return r, x.alias(quick, key)
	}
	return x.perform(ctx, in, quick, key)
}

// inputs waits for everything that a step needs, all of it being made at the same time.
func (x *executor) inputs(ctx context.Context, s *step) (*inputs, error) {
	in := &inputs{step: s}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.op.prepare(ctx, x) })
	more := s.op.inputs()
	in.others = make([]*result, len(more))
	for i, other := range more {
		g.Go(func() (err error) {
			in.others[i], err = x.resolve(ctx, other)
			return err
		})
	}
	g.Go(func() (err error) {
		in.parent, err = x.resolve(ctx, s.parent)
		return err
	})
	return in, g.Wait()
}

// find gives what the cache has under a key. A record counts when its layer is in the store, whole, on the layer that is below it now.
func (x *executor) find(key string, in *inputs, fresh bool) *result {
	if key == "" || fresh {
		return nil
	}
	rec := x.cache.Get(key)
	if rec == nil || rec.Parent != in.parent.top {
		return nil
	}
	layer, err := x.options.Store.Layer(rec.Layer)
	if err != nil {
		x.cache.Drop(key)
		return nil
	}
	in.step.show.Cached()
	return in.parent.above(layer, rec.ID, rec.Created)
}

// alias lets the quick key lead where the key leads.
func (x *executor) alias(quick, key string) error {
	rec := x.cache.Get(key)
	if quick == "" || rec == nil {
		return nil
	}
	return x.cache.Put(quick, *rec)
}

// perform does the operation and commits its layer by renaming the directory that it was written in.
func (x *executor) perform(ctx context.Context, in *inputs, quick, key string) (*result, error) {
	select {
	case x.slots <- struct{}{}:
		defer func() { <-x.slots }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	show := in.step.show
	show.Begin()
	to, err := x.options.Store.StageLayer(in.parent.lower)
	if err != nil {
		return nil, err
	}
	x.options.Store.Prepare()
	err = in.step.op.run(ctx, x, in, to)
	unrecorded := errors.Is(err, errNotRecorded)
	if err != nil && !unrecorded {
		return nil, errors.Join(err, to.Discard())
	}
	if in.step == x.last { // nothing more will be written that takes long
		x.flushing = true
		x.flush.Go(x.options.Store.Flush)
	}
	layer, err := to.Commit(ctx, storage.CommitOptions{Parent: in.parent.top})
	if err != nil {
		return nil, fmt.Errorf("commit layer: %w", err)
	}
	x.made.Store(true)
	rec := cache.Record{Layer: layer.ID, Parent: in.parent.top, ID: key, Created: time.Now().UTC(), Step: in.step.text}
	if unrecorded {
		rec.ID, key, quick = layer.ID, "", ""
	}
	for _, k := range []string{key, quick} {
		if k == "" {
			continue
		}
		if err := x.cache.Put(k, rec); err != nil {
			return nil, fmt.Errorf("record step: %w", err)
		}
	}
	show.Done()
	return in.parent.above(layer, rec.ID, rec.Created), nil
}

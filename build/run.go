package build

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"codeberg.org/hoy/hoy/build/cache"
	"codeberg.org/hoy/hoy/build/progress"
	"codeberg.org/hoy/hoy/storage"
	"github.com/moby/buildkit/frontend/dockerfile/shell"
	"golang.org/x/term"
)

// Build builds an image. On an error, and when ctx ends, nothing is left but the cache of the steps that were done.
func Build(ctx context.Context, o Options) (*Result, error) {
	names, err := checkOptions(&o)
	if err != nil {
		return nil, err
	}
	c, err := cache.Open(o.Root)
	if err != nil {
		return nil, fmt.Errorf("open build cache: %w", err)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	b := &builder{
		options: &o, names: names, cache: c,
		printer:   progress.New(o.Stderr, progressMode(&o)),
		buildArgs: buildArgValues(o.BuildArgs),
		executor:  newExecutor(&o, c),
	}
	id, err := b.build(ctx)
	err = errors.Join(err, b.close())
	b.printer.Close()
	if err != nil {
		return nil, b.explain(err)
	}
	b.warnings.print(o.Stderr)
	return b.report(id)
}

// checkOptions refuses what cannot be, before anything is read, and gives the image's full names.
func checkOptions(o *Options) ([]string, error) {
	if err := checkPlatform(o.Platform); err != nil {
		return nil, err
	}
	switch o.Network {
	case "", DefaultNetwork, "host", "none":
	default:
		return nil, fmt.Errorf("network mode %q not supported by hoy build: default, host or none is expected", o.Network)
	}
	var names []string
	for _, t := range o.Tags {
		n, err := storage.NormalName(t)
		if err != nil {
			return nil, fmt.Errorf("invalid tag %q: %w", t, err)
		}
		if !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	return names, nil
}

// progressMode is what "auto" means here.
func progressMode(o *Options) string {
	switch o.Progress {
	case "", "auto":
		if f, ok := o.Stderr.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
			return "tty"
		}
		return "plain"
	}
	return o.Progress
}

// builder is one build from its options to its image.
type builder struct {
	options   *Options
	names     []string
	cache     *cache.Cache
	printer   *progress.Printer
	buildArgs map[string]string
	executor  *executor
	warnings  warnings
	source    *source
}

// build gives the image's id.
func (b *builder) build(ctx context.Context) (string, error) {
	if err := b.open(ctx); err != nil {
		return "", err
	}
	plan, target, err := b.plan(ctx)
	if err != nil {
		return "", err
	}
	if err := plan.lint.Error(); err != nil {
		return "", err
	}
	b.warnUnused(plan)
	b.executor.last = target.top
	result, err := b.executor.resolve(ctx, target.top)
	if err != nil {
		return "", err
	}
	return b.export(ctx, target, result)
}

// open reads the Dockerfile and what belongs to it.
func (b *builder) open(ctx context.Context) (err error) {
	show := b.printer.Step("[internal] load build definition from " + shownName(b.options))
	show.Begin()
	b.source, err = openSource(ctx, b.options, b.cache, b.executor.tempDir)
	if err != nil {
		show.Failed(err)
		return err
	}
	b.executor.context, b.executor.ignore = b.source.context, b.source.ignore
	show.Note("transferring dockerfile: %dB done", len(b.source.data))
	show.Done()
	return nil
}

func shownName(o *Options) string {
	if o.Dockerfile == "" || o.Dockerfile == "-" {
		return "Dockerfile"
	}
	return o.Dockerfile[strings.LastIndexByte(o.Dockerfile, '/')+1:]
}

// newPlanner reads the Dockerfile.
func (b *builder) newPlanner() (*planner, error) {
	lint, err := newLinter(b.source.data, b.buildArgs, b.warnings.add)
	if err != nil {
		return nil, err
	}
	f, err := parse(b.source.name, b.source.data, b.buildArgs, lint)
	if err != nil {
		return nil, err
	}
	return &planner{
		options: b.options, file: f, lex: shell.NewLex(f.escape), lint: lint, printer: b.printer,
		images:    &images{store: b.options.Store, pull: b.options.Pull, printer: b.printer},
		ignore:    b.source.ignore,
		hasFiles:  b.source.context.dir != "",
		buildArgs: b.buildArgs,
	}, nil
}

// plan turns the Dockerfile into the steps that the target needs.
func (b *builder) plan(ctx context.Context) (*planner, *stage, error) {
	p, err := b.newPlanner()
	if err != nil {
		return nil, nil, err
	}
	if err := p.setup(); err != nil {
		return nil, nil, err
	}
	target, err := p.target()
	if err != nil {
		return nil, nil, err
	}
	stages, err := p.resolve(ctx, target)
	if err != nil {
		return nil, nil, err
	}
	for _, s := range stages {
		if err := p.dispatch(s); err != nil {
			return nil, nil, err
		}
	}
	return p, target, nil
}

// warnUnused reports build arguments that no ARG of the stages that were built takes.
func (b *builder) warnUnused(p *planner) {
	var unused []string
	for k := range b.buildArgs {
		if !p.used[k] && !isProxy(k) && !strings.HasPrefix(k, "BUILDKIT_") {
			if _, platform := p.global.Get(k); !platform {
				unused = append(unused, k)
			}
		}
	}
	if len(unused) == 0 {
		return
	}
	slices.Sort(unused)
	fmt.Fprintf(b.options.Stderr, "[Warning] One or more build-args %v were not consumed\n", unused)
}

// close removes what the build made for itself, and keeps what it learned.
func (b *builder) close() error {
	var err error
	if b.source != nil {
		err = b.source.context.close()
	}
	return errors.Join(b.executor.close(), err)
}

// explain shows what a failed step last said and the lines of the Dockerfile that the error is about.
func (b *builder) explain(err error) error {
	w := b.options.Stderr
	var of *stepError
	if errors.As(err, &of) {
		if tail := of.step.show.Tail(); len(tail) > 0 {
			fmt.Fprintf(w, "------\n > %s:\n%s\n------\n", of.step.show.Name, strings.Join(tail, "\n"))
		}
	}
	if b.source != nil && len(b.source.data) > 0 {
		printSource(w, b.source.name, b.source.data, err)
	}
	return err
}

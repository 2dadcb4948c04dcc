package cli

import (
	"context"
	"errors"
	"strings"

	"codeberg.org/hoy/hoy/engine"
	"codeberg.org/hoy/hoy/engine/cli/flags"
)

func pruneSystemCommand(s *session) *command {
	var o pruneOptions
	var volumes bool
	return &command{
		args:  "[OPTIONS]",
		short: "Remove unused data",
		flags: append(o.flags(`Provide filter values (e.g. "label=<key>=<value>")`, "label", "label!", "until"),
			flags.Bool(&o.all, "all,a", "Remove all unused images not just dangling ones"),
			flags.Bool(&volumes, "volumes", "Prune anonymous volumes")),
		run: func(ctx context.Context, _ []string) error {
			if volumes && len(o.filters["until"]) > 0 {
				return errors.New(`the "until" filter is not supported with "--volumes"`)
			}
			each := []pruner{s.pruneContainers, s.pruneImages, s.pruneBuildCache}
			if volumes {
				each = []pruner{s.pruneContainers, s.pruneAnonymous, s.pruneImages, s.pruneBuildCache}
			}
			return s.prune(ctx, o, o.systemWarning(volumes), each...)
		},
	}
}

// pruneAnonymous removes anonymous volumes: --all is for images.
func (s *session) pruneAnonymous(ctx context.Context, e *engine.Engine, o pruneOptions) (int64, error) {
	o.all = false
	return s.pruneVolumes(ctx, e, o)
}

// pruneBuildCache removes what only builds keep. Layers have no labels: with a filter they stay.
func (s *session) pruneBuildCache(ctx context.Context, e *engine.Engine, o pruneOptions) (int64, error) {
	if len(o.filters) > 0 {
		return 0, nil
	}
	pruned, err := e.PruneBuildCache(ctx)
	s.printDeleted("build cache objects", pruned.Names)
	return pruned.Space, err
}

// systemWarning says what is about to be removed. Source: docker/cli, cli/command/system/prune.go.
func (o *pruneOptions) systemWarning(volumes bool) string {
	items := []string{"all stopped containers"}
	if volumes {
		items = append(items, "all anonymous volumes not used by at least one container")
	}
	if o.all {
		items = append(items, "all images without at least one container associated to them", "all build cache")
	} else {
		items = append(items, "all dangling images", "unused build cache")
	}
	var b strings.Builder
	b.WriteString("WARNING! This will remove:\n")
	for _, item := range items {
		b.WriteString("  - " + item + "\n")
	}
	if len(o.filters) > 0 {
		b.WriteString("\n  Items to be pruned will be filtered with:\n")
		for _, name := range []string{"label", "label!", "until"} {
			for _, v := range o.filters[name] {
				b.WriteString("  - " + name + "=" + v + "\n")
			}
		}
	}
	return b.String() + sure
}

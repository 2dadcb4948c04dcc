package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"codeberg.org/hoy/hoy/engine"
	"codeberg.org/hoy/hoy/engine/cli/flags"
	"codeberg.org/hoy/hoy/engine/cli/format"
	"codeberg.org/hoy/hoy/storage"
)

const sure = "\nAre you sure you want to continue?"

// pruneOptions are what the prune commands have in common.
type pruneOptions struct {
	all, force bool
	filters    filters
}

func (o *pruneOptions) flags(filterUsage string, allowed ...string) []*flags.Flag {
	return []*flags.Flag{
		filterFlag(&o.filters, "filter", filterUsage, allowed...),
		flags.Bool(&o.force, "force,f", "Do not prompt for confirmation"),
	}
}

func pruneContainersCommand(s *session) *command {
	var o pruneOptions
	return &command{
		args:  "[OPTIONS]",
		short: "Remove all stopped containers",
		flags: o.flags(`Provide filter values (e.g. "until=<timestamp>")`, "label", "label!", "until"),
		run: func(ctx context.Context, _ []string) error {
			return s.prune(ctx, o, "WARNING! This will remove all stopped containers."+sure, s.pruneContainers)
		},
	}
}

func pruneImagesCommand(s *session) *command {
	var o pruneOptions
	return &command{
		args:  "[OPTIONS]",
		short: "Remove unused images",
		flags: append(o.flags(`Provide filter values (e.g. "until=<timestamp>")`, "dangling", "label", "label!", "until"),
			flags.Bool(&o.all, "all,a", "Remove all unused images, not just dangling ones")),
		run: func(ctx context.Context, _ []string) error {
			if dangling, given, err := o.filters.flag("dangling"); err != nil {
				return err
			} else if given {
				o.all = !dangling
			}
			warning := "WARNING! This will remove all dangling images."
			if o.all {
				warning = "WARNING! This will remove all images without at least one container associated to them."
			}
			return s.prune(ctx, o, warning+sure, s.pruneImages)
		},
	}
}

func pruneVolumesCommand(s *session) *command {
	var o pruneOptions
	return &command{
		args:  "[OPTIONS]",
		short: "Remove unused local volumes",
		flags: append(o.flags(`Provide filter values (e.g. "label=<label>")`, "all", "label", "label!"),
			flags.Bool(&o.all, "all,a", "Remove all unused volumes, not just anonymous ones")),
		run: func(ctx context.Context, _ []string) error {
			if all, given, err := o.filters.flag("all"); err != nil {
				return err
			} else if given {
				o.all = all
			}
			warning := "WARNING! This will remove anonymous local volumes not used by at least one container."
			if o.all {
				warning = "WARNING! This will remove all local volumes not used by at least one container."
			}
			return s.prune(ctx, o, warning+sure, s.pruneVolumes)
		},
	}
}

// pruner removes one kind of thing, prints what it removed and gives the space that it took.
type pruner func(ctx context.Context, e *engine.Engine, o pruneOptions) (int64, error)

// prune asks, prunes and prints what that has freed.
func (s *session) prune(ctx context.Context, o pruneOptions, question string, each ...pruner) error {
	if _, err := o.filters.older(time.Now()); err != nil {
		return err
	}
	if !o.force && !s.confirm(question) {
		return nil
	}
	e, err := s.open()
	if err != nil {
		return err
	}
	var space int64
	var errs []error
	for _, one := range each {
		n, err := one(ctx, e, o)
		space += n
		errs = append(errs, err)
	}
	s.print("Total reclaimed space:", format.Size(space))
	return errors.Join(errs...)
}

func (s *session) pruneContainers(ctx context.Context, e *engine.Engine, o pruneOptions) (int64, error) {
	pruned, err := e.Prune(ctx, func(c *engine.Container) bool { return !o.filters.selects(c.Config.Labels, c.Config.Created) })
	e.PruneHappened("container", pruned.Space)
	s.printDeleted("Containers", pruned.Containers)
	return pruned.Space, err
}

func (s *session) pruneImages(ctx context.Context, e *engine.Engine, o pruneOptions) (int64, error) {
	pruned, err := e.PruneImages(ctx, o.all, func(img *storage.Image) bool { return !o.filters.selects(imageLabels(img), img.Created) })
	var lines []string
	for _, r := range pruned.Removed {
		if r.Untagged != "" {
			lines = append(lines, "untagged: "+r.Untagged)
		} else {
			lines = append(lines, "deleted: "+r.Deleted)
		}
	}
	e.PruneHappened("image", pruned.Space)
	s.printDeleted("Images", lines)
	return pruned.Space, err
}

func (s *session) pruneVolumes(_ context.Context, e *engine.Engine, o pruneOptions) (int64, error) {
	pruned, err := e.PruneVolumes(o.all, func(v *storage.Volume) bool { return !o.filters.selects(v.Labels, v.Created) })
	e.PruneHappened("volume", pruned.Space)
	s.printDeleted("Volumes", pruned.Names)
	return pruned.Space, err
}

func (s *session) printDeleted(what string, names []string) {
	if len(names) > 0 {
		fmt.Fprintf(s.Out, "Deleted %s:\n%s\n\n", what, strings.Join(names, "\n"))
	}
}

// selects says whether a thing fits the filters label, label! and until.
func (f filters) selects(labels map[string]string, created time.Time) bool {
	until, err := f.older(time.Now())
	if err != nil || !until.IsZero() && !created.Before(until) {
		return false
	}
	return f.matchLabels(labels) && !slices.ContainsFunc(f["label!"], func(l string) bool {
		return filters{"label": {l}}.matchLabels(labels)
	})
}

// older is the time of the filter until: what is younger stays. It is zero when there is none.
func (f filters) older(now time.Time) (time.Time, error) {
	switch len(f["until"]) {
	case 0:
		return time.Time{}, nil
	case 1:
		return parseTime(f["until"][0], now)
	}
	return time.Time{}, errors.New("more than one until filter specified")
}

// confirm asks a question that only "y" answers well.
func (s *session) confirm(question string) bool {
	fmt.Fprintf(s.Out, "%s [y/N] ", question)
	answer, _ := bufio.NewReader(s.In).ReadString('\n') // no answer is no
	return strings.EqualFold(strings.TrimSpace(answer), "y")
}

package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"codeberg.org/hoy/hoy/engine"
	"codeberg.org/hoy/hoy/engine/cli/flags"
	"codeberg.org/hoy/hoy/netns"
	"codeberg.org/hoy/hoy/netns/record"
)

func rmNetworkCommand(s *session) *command {
	var force bool
	return &command{
		args:     "NETWORK [NETWORK...]",
		short:    "Remove one or more networks",
		aliases:  []string{"network rm", "network remove"},
		min:      1,
		max:      -1,
		complete: completeNetworks,
		flags:    []*flags.Flag{flags.Bool(&force, "force,f", "Do not error if the network does not exist")},
		run: func(_ context.Context, args []string) error {
			e, err := s.open()
			if err != nil {
				return err
			}
			var errs []error
			for _, ref := range args {
				err := removeNetwork(e, ref)
				if force && errors.Is(err, netns.ErrNoNetwork) {
					err = nil
				}
				if err == nil {
					s.print(ref)
				}
				errs = append(errs, err)
			}
			return errors.Join(errs...)
		},
	}
}

func removeNetwork(e *engine.Engine, ref string) error {
	if ref == "host" || ref == "none" {
		return fmt.Errorf("%s is a pre-defined network and cannot be removed", ref)
	}
	return e.Networks(func(all *netns.Networks) error {
		x, err := all.Find(ref)
		if err != nil {
			return err
		}
		if err := all.Remove(ref); err != nil {
			return err
		}
		e.NetworkHappened("destroy", x)
		return nil
	})
}

func pruneNetworksCommand(s *session) *command {
	var force bool
	var f filters
	return &command{
		args:  "[OPTIONS]",
		short: "Remove all unused networks",
		flags: []*flags.Flag{
			filterFlag(&f, "filter", `Provide filter values (e.g. "label=KEY")`, "label"),
			flags.Bool(&force, "force,f", "Do not prompt for confirmation"),
		},
		run: func(context.Context, []string) error {
			if !force && !s.confirm("WARNING! This will remove all custom networks not used by at least one container.\nAre you sure you want to continue?") {
				return nil
			}
			e, err := s.open()
			if err != nil {
				return err
			}
			return s.pruneNetworks(e, f)
		},
	}
}

// pruneNetworks removes what no container uses: one that does not run uses the networks that it will be on.
func (s *session) pruneNetworks(e *engine.Engine, f filters) error {
	list, err := e.List(engine.ListOptions{All: true})
	if err != nil {
		return err
	}
	var used []string
	for _, c := range list {
		used = append(used, c.NetworkNames()...)
	}
	return e.Networks(func(all *netns.Networks) error {
		known := map[string]*record.Network{}
		removed, err := all.Prune(func(x *record.Network) bool {
			known[x.Name] = x
			return !slices.Contains(used, x.Name) && !slices.ContainsFunc(used, func(u string) bool { return len(u) >= 12 && strings.HasPrefix(x.ID, u) }) && f.matchLabels(x.Labels)
		})
		for _, name := range removed {
			if x := known[name]; x != nil {
				e.NetworkHappened("destroy", x)
			}
		}
		e.PruneHappened("network", 0)
		if len(removed) > 0 {
			fmt.Fprintf(s.Out, "Deleted Networks:\n%s\n\n", strings.Join(removed, "\n"))
		}
		return err
	})
}

func existsNetworkCommand(s *session) *command {
	return &command{
		args:     "NETWORK",
		short:    "Check whether a network exists",
		long:     "Check whether a network exists. The exit code is 0 when it does, else 1.",
		min:      1,
		max:      1,
		complete: completeNetworks,
		run: func(ctx context.Context, args []string) error {
			e, err := s.open()
			if err != nil {
				return err
			}
			_, err = inspectNetwork(ctx, e, args[0])
			if errors.Is(err, netns.ErrNoNetwork) {
				return status(codeFailed)
			}
			return err
		},
	}
}

package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"codeberg.org/hoy/hoy/engine"
	"codeberg.org/hoy/hoy/engine/cli/flags"
	"codeberg.org/hoy/hoy/engine/cli/format"
	"codeberg.org/hoy/hoy/engine/rootless"
)

type mountOptions struct {
	selection
	format  string
	noTrunc bool
}

func mountCommand(s *session) *command {
	var o mountOptions
	return &command{
		args:  "[OPTIONS] [CONTAINER...]",
		short: "Mount a container's root filesystem on the host",
		long: `Mount a container's root filesystem on the host, and print where. Without arguments, list what is mounted.

An ordinary user mounts in a session of 'hoy unshare': what is mounted is seen, and lasts, only there.`,
		aliases:  []string{"container mount", "mount"},
		max:      -1,
		complete: allContainers,
		flags: []*flags.Flag{
			flags.Bool(&o.all, "all,a", "Mount all containers"),
			flags.String(&o.format, "format", `Print the mounted containers in another form ("json")`).OneOf("json"),
			latestFlag(&o.latest),
			flags.Bool(&o.noTrunc, "no-trunc,notruncate", "Do not truncate output"),
		},
		run: func(ctx context.Context, args []string) error { return s.mount(ctx, o, args) },
	}
}

func (s *session) mount(ctx context.Context, o mountOptions, args []string) error {
	if o.format != "" && o.format != "json" {
		return fmt.Errorf("unknown --format argument: %q", o.format)
	}
	e, err := s.open()
	if err != nil {
		return err
	}
	if len(args) == 0 && !o.given() {
		return s.listMounts(e, o)
	}
	if rootless.Rootless() && os.Getenv(envUnshare) == "" {
		return errors.New("an ordinary user's mounts are seen in a session of 'hoy unshare' only: run it there")
	}
	refs, err := s.refs(&o.selection, args)
	if err != nil {
		return err
	}
	var errs []error
	for _, ref := range refs {
		c, err := e.Find(ref)
		var dir string
		if err == nil {
			dir, err = e.Mount(ctx, c)
		}
		switch {
		case err != nil:
		case len(refs) == 1:
			s.print(dir)
		default:
			s.print(c.ID()[:12], dir)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// listMounts prints what is mounted, as podman does.
func (s *session) listMounts(e *engine.Engine, o mountOptions) error {
	list, err := e.Mounts()
	if err != nil {
		return err
	}
	if o.format == "json" {
		type row struct {
			ID         string `json:"id"`
			MountPoint string `json:"mountpoint"`
		}
		rows := []row{}
		for _, m := range list {
			rows = append(rows, row{m.ID, m.Path})
		}
		return json.NewEncoder(s.Out).Encode(rows)
	}
	for _, m := range list {
		if !o.noTrunc {
			m.ID = format.ShortID(m.ID)
		}
		s.print(m.ID, m.Path)
	}
	return nil
}

func unmountCommand(s *session) *command {
	var o selection
	var force bool
	return &command{
		args:     "[OPTIONS] CONTAINER [CONTAINER...]",
		short:    "Unmount a container's root filesystem from the host",
		aliases:  []string{"container unmount", "container umount", "unmount", "umount"},
		min:      1,
		max:      -1,
		implied:  o.implied,
		complete: allContainers,
		flags: []*flags.Flag{
			flags.Bool(&o.all, "all,a", "Unmount all containers"),
			flags.Bool(&force, "force,f", "Unmount what is in use, too: it goes when nobody uses it any more"),
			latestFlag(&o.latest),
		},
		run: func(_ context.Context, args []string) error {
			e, err := s.open()
			if err != nil {
				return err
			}
			refs := args
			if o.all {
				refs, err = mountedIDs(e)
			} else {
				refs, err = s.refs(&o, args)
			}
			if err != nil {
				return err
			}
			return s.eachContainer(refs, func(e *engine.Engine, c *engine.Container) error {
				_, err := e.Unmount(c.ID(), force)
				return err
			})
		},
	}
}

func mountedIDs(e *engine.Engine) ([]string, error) {
	list, err := e.Mounts()
	var ids []string
	for _, m := range list {
		ids = append(ids, m.ID)
	}
	return ids, err
}

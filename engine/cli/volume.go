package cli

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"codeberg.org/hoy/hoy/engine"
	"codeberg.org/hoy/hoy/engine/cli/flags"
	"codeberg.org/hoy/hoy/engine/cli/format"
	"codeberg.org/hoy/hoy/oci"
	"codeberg.org/hoy/hoy/storage"
)

func createVolumeCommand(s *session) *command {
	var list []string
	driver := "local"
	return &command{
		args:  "[OPTIONS] [VOLUME]",
		short: "Create a volume",
		max:   1,
		flags: []*flags.Flag{
			flags.String(&driver, "driver,d", "Specify volume driver name").OneOf("local"),
			flags.Func(keep(&list, checkLabel), "label", "Set metadata for a volume"),
		},
		run: func(_ context.Context, args []string) error {
			if driver != "local" {
				return fmt.Errorf("volume driver %s: there is no driver but local", driver)
			}
			labels, err := oci.ParseLabels(list)
			if err != nil {
				return err
			}
			name := randomName()
			if len(args) > 0 {
				name = args[0]
			}
			e, err := s.open()
			if err != nil {
				return err
			}
			v, err := e.Store.CreateVolume(name, labels)
			if err != nil {
				return err
			}
			s.print(v.Name)
			return nil
		},
	}
}

// randomName is that of a volume without one.
func randomName() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// volumesTable is Docker's. Source: docker/cli, cli/command/formatter/volume.go.
var volumesTable = format.Table{
	Default: `table {{.Driver}}\t{{.Name}}`,
	Quiet:   "{{.Name}}",
	Raw:     "name: {{.Name}}\ndriver: {{.Driver}}\n",
	Headers: map[string]string{
		"Name": "VOLUME NAME", "Driver": "DRIVER", "Scope": "SCOPE", "Mountpoint": "MOUNTPOINT", "Labels": "LABELS",
		"Links": "LINKS", "Size": "SIZE",
	},
}

// volumeRow is a volume as `volume ls` shows it. The fields are in the order that --format json gives them in. What is not counted
// here is "N/A", as in Docker.
type volumeRow struct {
	Driver     string
	Labels     string
	Links      string
	Mountpoint string
	Name       string
	Scope      string
	Size       string

	labels map[string]string
}

// Label is {{.Label "name"}}.
func (r volumeRow) Label(name string) string { return r.labels[name] }

type volumesOptions struct {
	quiet   bool
	format  string
	filters filters
}

func volumesCommand(s *session) *command {
	var o volumesOptions
	return &command{
		args:    "[OPTIONS]",
		short:   "List volumes",
		aliases: []string{"volume ls", "volume list"},
		flags: []*flags.Flag{
			filterFlag(&o.filters, "filter,f", `Provide filter values (e.g. "dangling=true")`, "dangling", "driver", "label", "name"),
			formatFlag(&o.format),
			flags.Bool(&o.quiet, "quiet,q", "Only display volume names"),
		},
		run: func(context.Context, []string) error { return s.volumes(o) },
	}
}

func (s *session) volumes(o volumesOptions) error {
	e, err := s.open()
	if err != nil {
		return err
	}
	list, err := e.Store.Volumes()
	if err != nil {
		return err
	}
	if list, err = o.filters.volumes(e, list); err != nil {
		return err
	}
	slices.SortFunc(list, func(a, b *storage.Volume) int { return cmp.Compare(a.Name, b.Name) })
	rows := make([]volumeRow, len(list))
	for i, v := range list {
		rows[i] = volumeRow{
			Driver: "local", Labels: joinLabels(v.Labels), Links: "N/A", Mountpoint: v.Path, Name: v.Name, Scope: "local", Size: "N/A", labels: v.Labels,
		}
	}
	return format.Write(s.Out, volumesTable, volumesTable.Template(o.format, o.quiet), rows)
}

// volumes selects from list. Source: moby, volume/service.
func (f filters) volumes(e *engine.Engine, list []*storage.Volume) ([]*storage.Volume, error) {
	dangling, danglingGiven, err := f.flag("dangling")
	if err != nil {
		return nil, err
	}
	names, err := f.patterns("name")
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(list, func(v *storage.Volume) bool {
		return !matchName(names, v.Name) || !f.matchLabels(v.Labels) ||
			!f.match("driver", func(d string) bool { return d == "local" }) ||
			danglingGiven && dangling != (len(e.VolumeUsers(v.Name)) == 0)
	}), nil
}

func rmVolumeCommand(s *session) *command {
	var force bool
	return &command{
		args:     "[OPTIONS] VOLUME [VOLUME...]",
		short:    "Remove one or more volumes",
		long:     "Remove one or more volumes. You cannot remove a volume that is in use by a container.",
		aliases:  []string{"volume rm", "volume remove"},
		min:      1,
		max:      -1,
		complete: completeVolumes,
		flags:    []*flags.Flag{flags.Bool(&force, "force,f", "Force the removal of one or more volumes")},
		run: func(_ context.Context, args []string) error {
			e, err := s.open()
			if err != nil {
				return err
			}
			var errs []error
			for _, name := range args {
				err := e.Store.RemoveVolume(name, e.VolumeUsers)
				if force && errors.Is(err, storage.ErrNoVolume) {
					err = nil
				}
				if err == nil {
					s.print(name)
				}
				errs = append(errs, err)
			}
			return errors.Join(errs...)
		},
	}
}

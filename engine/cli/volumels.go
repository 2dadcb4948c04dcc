package cli

import (
	"cmp"
	"context"
	"slices"

	"codeberg.org/hoy/hoy/engine"
	"codeberg.org/hoy/hoy/engine/cli/flags"
	"codeberg.org/hoy/hoy/engine/cli/format"
	"codeberg.org/hoy/hoy/storage"
)

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
	Driver       string
	Labels       string
	Availability string // of swarm, as Group and Status: N/A
	Group        string
	Links        string
	Mountpoint   string
	Name         string
	Scope        string
	Size         string
	Status       string

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
			Driver: "local", Availability: "N/A", Group: "N/A", Status: "N/A", Labels: joinLabels(v.Labels), Links: "N/A", Mountpoint: v.Path, Name: v.Name, Scope: "local", Size: "N/A", labels: v.Labels,
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

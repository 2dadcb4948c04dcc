package cli

import (
	"context"
	"slices"
	"strconv"

	"codeberg.org/hoy/hoy/engine"
	"codeberg.org/hoy/hoy/engine/cli/flags"
	"codeberg.org/hoy/hoy/engine/cli/format"
	"codeberg.org/hoy/hoy/netns"
	"codeberg.org/hoy/hoy/netns/record"
)

// networksTable is Docker's. Source: docker/cli, cli/command/network/formatter.go.
var networksTable = format.Table{
	Default: `table {{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.Scope}}`,
	Quiet:   "{{.ID}}",
	Raw:     "network_id: {{.ID}}\nname: {{.Name}}\ndriver: {{.Driver}}\nscope: {{.Scope}}\n",
	Headers: map[string]string{
		"ID": "NETWORK ID", "Name": "NAME", "Driver": "DRIVER", "Scope": "SCOPE", "IPv6": "IPV6", "Internal": "INTERNAL", "Labels": "LABELS",
		"CreatedAt": "CREATED AT",
	},
}

// networkRow is a network as `network ls` shows it. The fields are in the order that --format json gives them in.
type networkRow struct {
	CreatedAt string
	Driver    string
	ID        string
	IPv4      string
	IPv6      string
	Internal  string
	Labels    string
	Name      string
	Scope     string

	labels map[string]string
}

// Label is {{.Label "name"}}.
func (r networkRow) Label(name string) string { return r.labels[name] }

type networksOptions struct {
	quiet, noTrunc bool
	format         string
	filters        filters
}

func networksCommand(s *session) *command {
	var o networksOptions
	return &command{
		args:    "[OPTIONS]",
		short:   "List networks",
		aliases: []string{"network ls", "network list"},
		flags: []*flags.Flag{
			filterFlag(&o.filters, "filter,f", `Provide filter values (e.g. "driver=bridge")`, "dangling", "driver", "id", "label", "name", "scope", "type"),
			formatFlag(&o.format),
			flags.Bool(&o.noTrunc, "no-trunc", "Do not truncate the output"),
			flags.Bool(&o.quiet, "quiet,q", "Only display network IDs"),
		},
		run: func(context.Context, []string) error { return s.networks(o) },
	}
}

// networks lists hoy's networks, and the two that are none: host and null have no file and no id.
func (s *session) networks(o networksOptions) error {
	e, err := s.open()
	if err != nil {
		return err
	}
	list, err := listNetworks(e)
	if err != nil {
		return err
	}
	list = append(list, &record.Network{Name: "host", Driver: "host"}, &record.Network{Name: "none", Driver: "null"})
	if list, err = o.filters.networks(list); err != nil {
		return err
	}
	rows := make([]networkRow, len(list))
	for i, x := range list {
		rows[i] = networkRow{
			CreatedAt: format.Time(x.Created), Driver: x.Driver, ID: x.ID, IPv4: strconv.FormatBool(x.Pool4() != nil), IPv6: strconv.FormatBool(x.IPv6),
			Internal: strconv.FormatBool(x.Internal), Labels: joinLabels(x.Labels), Name: x.Name, Scope: "local", labels: x.Labels,
		}
		if !o.noTrunc {
			rows[i].ID = format.ShortID(x.ID)
		}
		if x.ID == "" {
			rows[i].ID = x.Name
		}
	}
	return format.Write(s.Out, networksTable, networksTable.Template(o.format, o.quiet), rows)
}

func listNetworks(e *engine.Engine) (list []*record.Network, err error) {
	err = e.Networks(func(all *netns.Networks) (err error) {
		list, err = all.List()
		return err
	})
	return list, err
}

// networks selects from list. Source: moby, daemon/network/filter.go.
func (f filters) networks(list []*record.Network) ([]*record.Network, error) {
	dangling, given, err := f.flag("dangling")
	if err != nil {
		return nil, err
	}
	names, err := f.patterns("name")
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(list, func(x *record.Network) bool {
		builtin := x.ID == "" || x.Name == record.Default
		return !matchName(names, x.Name) || !f.matchLabels(x.Labels) ||
			!f.match("id", func(v string) bool { return len(v) <= len(x.ID) && x.ID[:len(v)] == v }) ||
			!f.match("driver", func(v string) bool { return v == x.Driver }) ||
			!f.match("scope", func(v string) bool { return v == "local" }) ||
			!f.match("type", func(v string) bool { return (v == "builtin") == builtin }) ||
			given && dangling != (!builtin && len(x.Endpoints) == 0)
	}), nil
}

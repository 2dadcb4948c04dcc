package cli

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"codeberg.org/hoy/hoy/engine"
	"codeberg.org/hoy/hoy/engine/cli/format"
	"codeberg.org/hoy/hoy/netns/record"
	"codeberg.org/hoy/hoy/oci"
	"codeberg.org/hoy/hoy/oci/health"
)

// psTable is Docker's. Source: docker/cli, cli/command/formatter/container.go.
var psTable = format.Table{
	Default: `table {{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}`,
	Quiet:   "{{.ID}}",
	Raw: `container_id: {{.ID}}
image: {{.Image}}
command: {{.Command}}
created_at: {{.CreatedAt}}
state: {{- pad .State 1 0}}
status: {{- pad .Status 1 0}}
names: {{.Names}}
labels: {{- pad .Labels 1 0}}
ports: {{- pad .Ports 1 0}}
`,
	Headers: map[string]string{
		"ID": "CONTAINER ID", "Names": "NAMES", "Image": "IMAGE", "Command": "COMMAND", "CreatedAt": "CREATED AT",
		"RunningFor": "CREATED", "Ports": "PORTS", "State": "STATE", "Status": "STATUS", "Labels": "LABELS",
		"Mounts": "MOUNTS", "LocalVolumes": "LOCAL VOLUMES", "Networks": "NETWORKS", "Platform": "PLATFORM", "Size": "SIZE",
	},
}

// psRow is a container as `ps` shows it. The fields are in the order that --format json gives them in.
type psRow struct {
	Command      string
	CreatedAt    string
	ID           string
	Image        string
	Labels       string
	LocalVolumes string
	Mounts       string
	Names        string
	Networks     string
	Platform     *string
	Ports        string
	RunningFor   string
	Size         string // "0B" when it is not counted, as in Docker
	State        string
	Status       string

	labels map[string]string
}

// Label is {{.Label "name"}}.
func (r psRow) Label(name string) string { return r.labels[name] }

func newPsRow(c *engine.Container, ports []record.Port, short bool) psRow {
	cfg, now := &c.Config, time.Now()
	r := psRow{
		Command:    strings.Join(append(slices.Clone(cfg.Entrypoint), cfg.Cmd...), " "),
		CreatedAt:  format.Time(cfg.Created),
		ID:         c.ID(),
		Image:      cfg.Image,
		Labels:     joinLabels(cfg.Labels),
		Names:      c.Name(),
		Networks:   strings.Join(c.NetworkNames(), ","),
		RunningFor: format.Ago(cfg.Created, now),
		Size:       "0B",
		State:      string(c.State.Status),
		Status:     statusText(c.State, now),
		labels:     cfg.Labels,
	}
	if c.Running() {
		r.Ports = portsText(cfg.Ports, ports)
	}
	if cfg.Platform != "" {
		r.Platform = &cfg.Platform
	}
	volumes, mounts := 0, []string{}
	for _, m := range cfg.Mounts {
		if m.Source == "" { // a file system of its own
			continue
		}
		if m.Type == oci.MountVolume {
			volumes++
		}
		if short {
			m.Source = format.Ellipsis(m.Source, 15)
		}
		mounts = append(mounts, m.Source)
	}
	r.LocalVolumes, r.Mounts = strconv.Itoa(volumes), strings.Join(mounts, ",")
	if short {
		r.ID = format.ShortID(r.ID)
		r.Image = shortImage(r.Image)
		r.Command = format.Ellipsis(r.Command, 20)
	}
	r.Command = strconv.Quote(r.Command)
	return r
}

// shortImage leaves the digest out of a reference, and shortens an id.
func shortImage(ref string) string {
	name, _, pinned := strings.Cut(ref, "@")
	if !pinned && strings.HasPrefix(name, "sha256:") {
		return format.ShortID(name)
	}
	return name
}

// statusText is Docker's STATUS column. Source: moby, container.State.String.
func statusText(st engine.State, now time.Time) string {
	switch st.Status {
	case engine.StatusRunning:
		return "Up " + format.Duration(now.Sub(st.StartedAt)) + healthText(st.Health)
	case engine.StatusPaused:
		return "Up " + format.Duration(now.Sub(st.StartedAt)) + " (Paused)"
	case engine.StatusRestarting:
		return fmt.Sprintf("Restarting (%d) %s", st.ExitCode, format.Ago(st.FinishedAt, now))
	case engine.StatusExited:
		if st.FinishedAt.IsZero() {
			return ""
		}
		return fmt.Sprintf("Exited (%d) %s", st.ExitCode, format.Ago(st.FinishedAt, now))
	case engine.StatusRemoving:
		return "Removal In Progress"
	case engine.StatusDead:
		return "Dead"
	}
	return "Created"
}

func joinLabels(labels map[string]string) string {
	var out []string
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		out = append(out, key+"="+labels[key])
	}
	return strings.Join(out, ",")
}

// healthText is the end of the STATUS column of a container with a health check.
func healthText(h *health.Status) string {
	switch {
	case h == nil:
		return ""
	case h.Status == health.Starting:
		return " (health: starting)"
	}
	return " (" + h.Status + ")"
}

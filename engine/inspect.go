package engine

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"codeberg.org/hoy/hoy/engine/monitor"
	"codeberg.org/hoy/hoy/oci"
	"codeberg.org/hoy/hoy/oci/userns"
)

// Inspect is what `inspect` shows of a container, with Docker's field names.
func (e *Engine) Inspect(c *Container) (*ContainerInspect, error) {
	if err := c.usable(); err != nil {
		return nil, err
	}
	cfg := &c.Config
	command := slices.Concat(cfg.Entrypoint, cfg.Cmd)
	i := &ContainerInspect{
		ID:              cfg.ID,
		Created:         stamp(cfg.Created),
		State:           inspectState(c),
		Image:           imageName(cfg),
		ResolvConfPath:  c.etcPath("resolv.conf"),
		HostnamePath:    c.etcPath("hostname"),
		HostsPath:       c.etcPath("hosts"),
		LogPath:         c.logPathIfAny(),
		Name:            "/" + cfg.Name,
		RestartCount:    c.State.Restarts,
		Driver:          "overlay",
		Platform:        "linux",
		HostConfig:      inspectHostConfig(cfg),
		GraphDriver:     e.graphDriver(c),
		Mounts:          e.inspectMounts(cfg),
		Config:          inspectConfig(c),
		NetworkSettings: e.networkSettings(c),
	}
	if len(command) > 0 {
		i.Path, i.Args = command[0], command[1:]
	}
	if i.Args == nil {
		i.Args = []string{}
	}
	return i, nil
}

// stamp writes a time as Docker does.
func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

func imageName(cfg *oci.Config) string {
	if cfg.ImageID == "" {
		return ""
	}
	return "sha256:" + cfg.ImageID
}

func (c *Container) logPathIfAny() string {
	if l, err := c.Config.Log(); err != nil || l.MaxFiles == 0 {
		return ""
	}
	return c.LogPath()
}

func inspectState(c *Container) InspectState {
	s := c.State
	return InspectState{
		Status:     string(s.Status),
		Running:    c.Running() || c.Restarting(),
		Restarting: c.Restarting(),
		Paused:     s.Status == StatusPaused,
		Dead:       s.Status == StatusDead,
		OOMKilled:  s.OOMKilled,
		Pid:        s.Pid,
		ExitCode:   s.ExitCode,
		Error:      s.Error,
		StartedAt:  stamp(s.StartedAt),
		FinishedAt: stamp(s.FinishedAt),
		Health:     s.Health,
	}
}

func inspectConfig(c *Container) InspectConfig {
	cfg := &c.Config
	attached := func(stream string, otherwise bool) bool {
		if cfg.Detach {
			return false
		}
		if len(cfg.Attach) == 0 {
			return otherwise
		}
		return slices.Contains(cfg.Attach, stream)
	}
	i := InspectConfig{
		Hostname:     hostname(c),
		Domainname:   cfg.Domainname,
		User:         cfg.User,
		AttachStdin:  attached("stdin", cfg.OpenStdin),
		AttachStdout: attached("stdout", true),
		AttachStderr: attached("stderr", true),
		Tty:          cfg.Tty,
		OpenStdin:    cfg.OpenStdin,
		Env:          cfg.Env,
		Cmd:          cfg.Cmd,
		Image:        cfg.Image,
		WorkingDir:   cfg.WorkingDir,
		Entrypoint:   cfg.Entrypoint,
		Labels:       cfg.Labels,
		StopSignal:   cfg.StopSignal,
		StopTimeout:  cfg.StopTimeout,
	}
	if h := cfg.Healthcheck; h != nil {
		i.Healthcheck = &InspectHealthcheck{h.Test, h.Interval, h.Timeout, h.StartPeriod, h.StartInterval, h.Retries, h.OnFailure}
	}
	i.StdinOnce = i.AttachStdin
	if i.Labels == nil {
		i.Labels = map[string]string{} // Docker: {{index .Config.Labels "x"}} works without labels
	}
	for _, port := range cfg.Ports {
		if i.ExposedPorts == nil {
			i.ExposedPorts = map[string]struct{}{}
		}
		i.ExposedPorts[port] = struct{}{}
	}
	for _, m := range cfg.Mounts {
		if m.Type != oci.MountVolume || !m.Anonymous {
			continue
		}
		if i.Volumes == nil {
			i.Volumes = map[string]struct{}{}
		}
		i.Volumes[m.Target] = struct{}{}
	}
	return i
}

func inspectHostConfig(cfg *oci.Config) InspectHostConfig {
	driver := cfg.LogDriver
	if driver == "" {
		driver = "json-file"
	}
	h := InspectHostConfig{
		VolumesFrom:     cfg.VolumesFrom,
		LogConfig:       LogConfig{Type: driver, Config: map[string]string{}},
		NetworkMode:     orElse(cfg.Network, "default"),
		PortBindings:    asked(cfg.Publish),
		Links:           cfg.Links,
		PublishAllPorts: cfg.PublishAll,
		RestartPolicy:   RestartPolicy{Name: cfg.Restart.String(), MaximumRetryCount: cfg.Restart.Max},
		AutoRemove:      cfg.AutoRemove,
		CapAdd:          cfg.CapAdd,
		CapDrop:         cfg.CapDrop,
		CgroupnsMode:    orElse(cfg.CgroupnsMod, "private"),
		Dns:             orEmpty(cfg.Dns),
		DnsOptions:      orEmpty(cfg.DnsOptions),
		DnsSearch:       orEmpty(cfg.DnsSearch),
		ExtraHosts:      cfg.ExtraHosts,
		GroupAdd:        cfg.GroupAdd,
		IpcMode:         orElse(cfg.IpcMode, "private"),
		OomScoreAdj:     cfg.OomScoreAdj,
		PidMode:         cfg.PidMode,
		Privileged:      cfg.Privileged,
		ReadonlyRootfs:  cfg.ReadOnly,
		SecurityOpt:     cfg.SecurityOpt,
		UTSMode:         cfg.UTSMode,
		UsernsMode:      cfg.UsernsMode,
		IDMappings:      idMappings(cfg.IDMap),
		ShmSize:         cfg.ShmSize,
		Sysctls:         cfg.Sysctls,
		Runtime:         orElse(cfg.Runtime, "hoy"),
		Devices:         []InspectDevice{},
		Ulimits:         []InspectUlimit{},
		Annotations:     cfg.Annotations,

		InspectResources: inspectResources(&cfg.Resources),
	}
	maps.Copy(h.LogConfig.Config, cfg.LogOpts)
	if h.ShmSize == 0 {
		h.ShmSize = 64 << 20
	}
	if cfg.Init {
		yes := true
		h.Init = &yes
	}
	for _, d := range cfg.Devices {
		h.Devices = append(h.Devices, InspectDevice{d.Source, d.Target, d.Permissions})
	}
	for _, u := range cfg.Ulimits {
		h.Ulimits = append(h.Ulimits, InspectUlimit{Name: u.Name, Hard: u.Hard, Soft: u.Soft})
	}
	h.mounts(cfg.Mounts)
	h.MaskedPaths, h.ReadonlyPaths = cfg.SystemPaths()
	return h
}

// mounts shows the mounts as they were asked for: what -v can say as Binds, --tmpfs as Tmpfs. An image's own volumes were not.
func (h *InspectHostConfig) mounts(list []oci.Mount) {
	for _, m := range list {
		switch {
		case m.Type == oci.MountTmpfs:
			if h.Tmpfs == nil {
				h.Tmpfs = map[string]string{}
			}
			h.Tmpfs[m.Target] = strings.Join(m.Options, ",")
		case m.Type != oci.MountVolume && !m.Create:
			h.Mounts = append(h.Mounts, HostMount{Type: string(m.Type), Source: m.Source, Target: m.Target, ReadOnly: m.ReadOnly})
		case !m.Anonymous:
			bind := m.Source + ":" + m.Target
			if mode := mountMode(m); mode != "" {
				bind += ":" + mode
			}
			h.Binds = append(h.Binds, bind)
		}
	}
}

func mountMode(m oci.Mount) string {
	var words []string
	if m.ReadOnly {
		words = append(words, "ro")
	}
	if m.Relabel != "" {
		words = append(words, m.Relabel)
	}
	if m.Propagation != "" {
		words = append(words, m.Propagation)
	}
	if m.NoCopy {
		words = append(words, "nocopy")
	}
	if m.Chown {
		words = append(words, "U")
	}
	if m.Overlay {
		words = append(words, "O")
	}
	if m.Type != oci.MountTmpfs {
		words = append(words, m.Options...)
	}
	return strings.Join(words, ",")
}

func (e *Engine) inspectMounts(cfg *oci.Config) []InspectMount {
	list := []InspectMount{}
	for _, m := range cfg.Mounts {
		i := InspectMount{Type: string(m.Type), Source: m.Source, Destination: m.Target, Mode: mountMode(m), RW: !m.ReadOnly}
		switch m.Type {
		case oci.MountBind:
			i.Propagation = orElse(m.Propagation, "rprivate")
		case oci.MountVolume:
			i.Name, i.Source, i.Driver = m.Source, e.Store.VolumePath(m.Source), "local"
		}
		list = append(list, i)
	}
	return list
}

func idMappings(m *userns.Map) *IDMappings {
	if m == nil {
		return nil
	}
	words := func(ranges []userns.Range) (list []string) {
		for _, r := range ranges {
			list = append(list, fmt.Sprintf("%d:%d:%d", r.Inside, r.Outside, r.Count))
		}
		return list
	}
	return &IDMappings{words(m.UIDs), words(m.GIDs)}
}

func (e *Engine) graphDriver(c *Container) GraphDriver {
	if c.Config.Rootfs != "" {
		return GraphDriver{Name: "rootfs", Data: map[string]string{"RootDir": c.Config.Rootfs}}
	}
	data := map[string]string{"UpperDir": c.Upper(), "WorkDir": c.place.File(monitor.WorkDir)}
	if lower, err := e.Store.LayerChain(c.topLayer); err == nil {
		data["LowerDir"] = strings.Join(lower, ":")
	}
	return GraphDriver{Name: "overlay", Data: data}
}

func orElse(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

func orEmpty(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

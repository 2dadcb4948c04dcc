package engine

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"codeberg.org/hoy/hoy/engine/cdi"
	"codeberg.org/hoy/hoy/engine/monitor"
	"codeberg.org/hoy/hoy/engine/rootless"
	"codeberg.org/hoy/hoy/oci"
	"codeberg.org/hoy/hoy/oci/child"
)

// settings makes all that a monitor must know to start the container and keep it, and the files that the start needs.
func (e *Engine) settings(c *Container, o StartOptions) (*monitor.Settings, error) {
	var err error
	if c.network, err = e.connect(c, o.Ahead); err != nil {
		c.network = nil
		return nil, err
	}
	spec, plan, err := e.plan(c)
	if err != nil {
		return nil, err
	}
	guard, err := e.makeGroup(c, spec.Linux.Resources)
	if err != nil {
		return nil, err
	}
	s := &monitor.Settings{
		Place:      c.place,
		Plan:       plan,
		Guard:      guard,
		AutoRemove: c.Config.AutoRemove,
		Timeout:    time.Duration(c.Config.Timeout) * time.Second,
		OpenStdin:  c.Config.OpenStdin,
		StdinOnce:  c.Config.OpenStdin && slices.Contains(o.Attach, "stdin"),
	}
	if dir := plan.Hooks.Bundle; dir != "" {
		s.Hooked = &specs.State{Version: spec.Version, ID: c.ID(), Bundle: dir, Annotations: spec.Annotations}
	}
	plan.KeepFDs, s.Kept = len(o.Kept), o.Kept
	if len(o.Listen) > 0 {
		plan.Env, plan.ListenPID = oci.MergeEnv(plan.Env, o.Listen), true
	}
	s.Pidfile, s.MonitorPidfile = c.Config.Pidfile, c.Config.MonitorPidfile
	s.NotifyMain = c.Config.SdNotify != "ignore"
	s.NotifyHealthy = c.Config.SdNotify == "healthy"
	s.NotifyReady = c.Config.SdNotify == "" || c.Config.SdNotify == "conmon"
	if s.Log, err = logSettings(c); err != nil {
		return nil, err
	}
	s.Brief, s.Joins = c.brief(), e.joins(c)
	s.Health, s.StopTimeout = c.Config.Healthcheck, stopTimeout(c, StopOptions{})
	if s.StopSignal, err = parseSignal(c.Config.StopSignal, syscall.SIGTERM); err != nil {
		return nil, err
	}
	if c.network != nil {
		if s.Network, err = c.network.net.ForMonitor(c.place); err != nil {
			return nil, err
		}
	}
	if s.AutoRemove {
		s.Volumes = e.anonymousVolumes(c)
	}
	return s, nil
}

// plan compiles the container's config to its specification and the plan of its start.
func (e *Engine) plan(c *Container) (*specs.Spec, *child.Plan, error) {
	if err := makeBindSources(c.Config.Mounts); err != nil {
		return nil, nil, err
	}
	o, err := e.specOptions(c)
	if err != nil {
		return nil, nil, err
	}
	cfg := c.Config
	if len(cfg.CDI) > 0 {
		if err := cdi.Read(cdi.Dirs()).Apply(&cfg, cfg.CDI); err != nil {
			return nil, nil, err
		}
	}
	spec, err := oci.Spec(&cfg, o)
	if err != nil {
		return nil, nil, err
	}
	plan, err := oci.Plan(spec, o, &cfg)
	if err != nil {
		return nil, nil, err
	}
	if dir := c.place.MountPoint(); c.Config.IDMap == nil && isMounted(dir) { // one overlay, not two on the same directories
		plan.Rootfs = child.Rootfs{Bind: dir, ReadOnly: plan.Rootfs.ReadOnly}
	}
	if spec.Hooks != nil {
		if err := c.makeBundle(spec, plan); err != nil {
			return nil, nil, err
		}
	}
	if c.Config.SdNotify == "container" {
		addNotifySocket(plan)
	}
	if err := e.addSecrets(c, plan); err != nil {
		return nil, nil, err
	}
	return spec, plan, addHostUsers(plan.Accounts, c.Config.Accounts.HostUsers)
}

// addNotifySocket gives the container the socket on which the service manager listens (sd_notify(3)), when hoy has one.
func addNotifySocket(plan *child.Plan) {
	const place = "/run/notify/notify.sock"
	socket := os.Getenv("NOTIFY_SOCKET")
	if !filepath.IsAbs(socket) { // none, or an abstract one, which belongs to the host's network
		return
	}
	plan.Mounts = append(plan.Mounts, child.Mount{Type: "bind", Source: socket, Target: place, File: true})
	plan.Env = oci.MergeEnv(plan.Env, []string{"NOTIFY_SOCKET=" + place})
}

// specOptions are what the container's specification depends on besides its config.
func (e *Engine) specOptions(c *Container) (oci.SpecOptions, error) {
	o, err := e.rootOptions(c)
	if err != nil {
		return o, err
	}
	o.SeccompCache = filepath.Join(e.o.Root, "cache", "seccomp")
	o.Device = devicesAt
	if o.UsernsPath, err = e.usernsPath(c); err != nil {
		return o, err
	}
	j, err := e.joinsOf(c)
	if err != nil {
		return o, err
	}
	o.Joins, o.ShmOf = j.paths, j.shm
	o.NetNSPath, o.NetNSOwn = c.network.nsPath(), c.network != nil && c.network.net != nil
	if c.Config.Privileged {
		if o.HostDevices, err = hostDevices(); err != nil {
			return o, err
		}
	}
	if o.Overlays, err = e.overlays(c, true); err != nil {
		return o, err
	}
	o.Etc, err = e.writeEtc(c)
	return o, err
}

// inUserns says whether hoy is in a user namespace: root of another engine's container may be in one too.
func (e *Engine) inUserns() bool { return e.o.Rootless || rootless.InUserns() }

// rootOptions are those that the container's root depends on.
func (e *Engine) rootOptions(c *Container) (oci.SpecOptions, error) {
	inUserns := e.inUserns()
	host, err := oci.ReadHost(inUserns || c.Config.IDMap != nil)
	if err != nil {
		return oci.SpecOptions{}, err
	}
	o := oci.SpecOptions{Host: host, Rootless: inUserns, Volatile: c.Config.AutoRemove, VolumePath: e.Store.VolumePath}
	if c.Config.Rootfs == "" || c.Config.RootfsOverlay {
		o.Upper, o.Work = c.Upper(), c.place.File(monitor.WorkDir)
		var l lowers
		l, err = e.layers(c)
		o.Lower, o.Data = l.dirs, l.data
	}
	o.Mapped = c.Config.IDMap != nil && !c.shifted
	return o, err
}

// lowers are what lies under a container's upper directory.
type lowers struct {
	dirs []string // top first
	data []string // overlay's data-only layers, of stubs in dirs
}

// layers are the diff directories of the container's image, or those with its ids in their place.
func (e *Engine) layers(c *Container) (lowers, error) {
	if c.Config.RootfsOverlay {
		return lowers{dirs: []string{c.Config.Rootfs}}, nil
	}
	if c.lower.dirs != nil || c.topLayer == "" {
		return c.lower, nil
	}
	dirs, err := e.Store.LayerChain(c.topLayer)
	if err != nil {
		return lowers{}, fmt.Errorf("image %s of container %s: %w", c.Config.Image, c.Name(), err)
	}
	if !c.shifted {
		return lowers{dirs: dirs}, nil
	}
	return e.shift(context.Background(), dirs, c.Config.IDMap, nil)
}

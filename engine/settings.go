package engine

import (
	"fmt"
	"path/filepath"
	"slices"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"codeberg.org/hoy/hoy/engine/monitor"
	"codeberg.org/hoy/hoy/oci"
	"codeberg.org/hoy/hoy/oci/child"
)

// settings makes all that a monitor must know to start the container and keep it, and the files that the start needs.
func (e *Engine) settings(c *Container, o StartOptions) (*monitor.Settings, error) {
	var err error
	if c.network, err = e.connect(c); err != nil {
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
		Log:        keepsLog(c.Config.LogDriver),
		OpenStdin:  c.Config.OpenStdin,
		StdinOnce:  c.Config.OpenStdin && slices.Contains(o.Attach, "stdin"),
	}
	if c.network != nil {
		if s.Network, err = c.network.net.ForMonitor(); err != nil {
			return nil, err
		}
	}
	if s.AutoRemove {
		s.Volumes = e.anonymousVolumes(c)
	}
	return s, nil
}

func keepsLog(driver string) bool { return driver == "" || driver == "json-file" }

// plan compiles the container's config to its specification and the plan of its start.
func (e *Engine) plan(c *Container) (*specs.Spec, *child.Plan, error) {
	if err := makeBindSources(c.Config.Mounts); err != nil {
		return nil, nil, err
	}
	o, err := e.specOptions(c)
	if err != nil {
		return nil, nil, err
	}
	spec, err := oci.Spec(&c.Config, o)
	if err != nil {
		return nil, nil, err
	}
	plan, err := oci.Plan(spec, o, &c.Config)
	return spec, plan, err
}

// specOptions are what the container's specification depends on besides its config.
func (e *Engine) specOptions(c *Container) (oci.SpecOptions, error) {
	o, err := e.rootOptions(c)
	if err != nil {
		return o, err
	}
	o.SeccompCache = filepath.Join(e.o.Root, "cache", "seccomp")
	o.Device = devicesAt
	o.NetNSPath, o.NetNSOwn = c.network.nsPath(), c.network != nil && c.network.net != nil
	if c.Config.Privileged {
		if o.HostDevices, err = hostDevices(); err != nil {
			return o, err
		}
	}
	o.Etc, err = e.writeEtc(c)
	return o, err
}

// rootOptions are those that the container's root depends on.
func (e *Engine) rootOptions(c *Container) (oci.SpecOptions, error) {
	host, err := readHost(e.o.Rootless)
	if err != nil {
		return oci.SpecOptions{}, err
	}
	o := oci.SpecOptions{Host: host, Rootless: e.o.Rootless, Volatile: c.Config.AutoRemove, VolumePath: e.Store.VolumePath}
	if c.Config.Rootfs == "" {
		o.Upper, o.Work = c.Upper(), c.place.File(monitor.WorkDir)
		o.Lower, err = e.layers(c)
	}
	return o, err
}

// layers are the diff directories of the container's image, top first.
func (e *Engine) layers(c *Container) ([]string, error) {
	if c.lower != nil || c.topLayer == "" {
		return c.lower, nil
	}
	dirs, err := e.Store.LayerChain(c.topLayer)
	if err != nil {
		return nil, fmt.Errorf("image %s of container %s: %w", c.Config.Image, c.Name(), err)
	}
	return dirs, nil
}

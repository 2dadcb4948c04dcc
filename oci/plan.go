package oci

import (
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"codeberg.org/hoy/hoy/oci/child"
	"codeberg.org/hoy/hoy/oci/plan"
	"codeberg.org/hoy/hoy/oci/seccomp"
)

// Plan compiles the specification of c's container for the child, with what a specification cannot say: users by name, --init, volumes that are to be filled.
func Plan(s *specs.Spec, o SpecOptions, c *Config) (*child.Plan, error) {
	p, err := plan.Compile(s, plan.Options{
		Host: o.Host, Rootless: o.Rootless,
		Lower: o.Lower, Upper: o.Upper, Work: o.Work, Volatile: o.Volatile, Data: o.Data, Mapped: o.Mapped, NetworkOwn: o.NetNSOwn,
		Etc: o.Etc, Keyring: "_ses." + c.ID,
		Filter: func(profile *specs.LinuxSeccomp) ([]byte, uint, error) {
			prog, err := seccomp.CompileCached(o.SeccompCache, profile, o.Host.Arch)
			if err != nil {
				return nil, 0, err
			}
			return prog.Filter, prog.Flags, nil
		},
		Docker: &plan.Docker{
			Init: c.Init, User: c.User, GroupAdd: c.GroupAdd,
			VolumeAt:       func(target string) *plan.Volume { return c.volumeAt(target, o.VolumePath) },
			DeviceSourceOf: c.deviceSource,
		},
	})
	if err != nil {
		return nil, err
	}
	p.Accounts = c.Accounts.plan()
	for i := range p.Mounts {
		if m := &p.Mounts[i]; o.ShmOf != "" && m.Target == "/dev/shm" && m.Source == m.Target {
			m.Of, m.Recursive = o.ShmOf, false
		}
	}
	if c.KeepsGroups() {
		p.KeepGroups, p.GroupAdd = true, nil
	}
	return p, c.finishMounts(p, o)
}

// volumeAt is the container's volume that is mounted at target, nil for none.
func (c *Config) volumeAt(target string, path func(name string) string) *plan.Volume {
	if path == nil {
		return nil
	}
	i := slices.IndexFunc(c.Mounts, func(m Mount) bool { return m.Type == MountVolume && m.Target == target })
	if i < 0 {
		return nil
	}
	m := c.Mounts[i]
	return &plan.Volume{Path: path(m.Source), Subpath: m.Subpath, CopyUp: !m.NoCopy && m.Subpath == "" && !m.Overlay}
}

// deviceSource is the host's path of the container's node at target: --device may have given it, or a directory above it, another name.
func (c *Config) deviceSource(target string) string {
	for _, d := range c.Devices {
		rest, ok := strings.CutPrefix(target, d.Target)
		if ok && (rest == "" || rest[0] == '/') {
			return d.Source + rest
		}
	}
	return target
}

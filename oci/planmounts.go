package oci

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"codeberg.org/hoy/hoy/oci/child"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// cgroupRoot is where the host mounts its control groups.
const cgroupRoot = "/sys/fs/cgroup"

// mounts translates the mounts, in their order.
func (p *planner) mounts() error {
	for i := range p.s.Mounts {
		m := &p.s.Mounts[i]
		if len(m.UIDMappings)+len(m.GIDMappings) > 0 {
			return fmt.Errorf("id mapping of the mount at %s is not supported", m.Destination)
		}
		opts := readMountOptions(m.Options)
		if opts.propagation&^unix.MS_REC == unix.MS_PRIVATE {
			opts.propagation = 0 // as it is without a word
		}
		switch {
		case m.Type == "cgroup" || m.Type == "cgroup2":
			p.cgroupMounts(m, &opts)
		case opts.bind || m.Type == "bind":
			if len(opts.data) > 0 {
				return fmt.Errorf("option %q of the bind mount at %s is not supported", opts.data[0], m.Destination)
			}
			p.add(p.bindMount(m, &opts))
		default:
			p.add(child.Mount{
				Type: m.Type, Source: m.Source, Target: m.Destination,
				Flags: opts.set, Propagation: opts.propagation, Data: opts.dataString(),
				Optional: m.Type == "mqueue" || m.Type == "sysfs" && p.o.Rootless,
			})
		}
	}
	return nil
}

func (p *planner) add(m child.Mount) { p.plan.Mounts = append(p.plan.Mounts, m) }

// bindMount translates a bind. A volume of the container's is filled from the image on its first use,
// and a part of it is opened by the child, in-root: other containers may have written links there.
func (p *planner) bindMount(m *specs.Mount, opts *mountOptions) child.Mount {
	out := child.Mount{
		Type: "bind", Source: m.Source, Target: m.Destination,
		Flags: opts.set, Clear: opts.clear, Propagation: opts.propagation,
		Recursive: opts.recursive, TopOnly: opts.recursive && !opts.deep && opts.set|opts.clear != 0,
		File: p.o.Etc[m.Destination] == m.Source,
	}
	if v := p.volumeAt(m.Destination); v != nil {
		out.CopyUp = !v.NoCopy && v.Subpath == ""
		if v.Subpath != "" {
			out.Source, out.Subpath = p.o.VolumePath(v.Source), v.Subpath
		}
	}
	return out
}

// volumeAt is the container's volume that is mounted at target, nil for none.
func (p *planner) volumeAt(target string) *Mount {
	if p.c == nil || p.o.VolumePath == nil {
		return nil
	}
	i := slices.IndexFunc(p.c.Mounts, func(m Mount) bool { return m.Type == MountVolume && m.Target == target })
	if i < 0 {
		return nil
	}
	return &p.c.Mounts[i]
}

// cgroupMounts translates the one mount of the specification to those that the host has. They are optional: a user namespace may
// mount only what its cgroup namespace shows.
func (p *planner) cgroupMounts(m *specs.Mount, opts *mountOptions) {
	list := p.o.Host.Cgroups
	switch {
	case len(list) == 0:
	case !p.owns(specs.CgroupNamespace):
		// Without a namespace of its own the container sees the host's tree. As an ordinary user's it must never change it, the part that
		// belongs to the user included (CVE-2023-25809).
		if p.o.Rootless {
			opts.set |= unix.MOUNT_ATTR_RDONLY
		}
		p.add(child.Mount{Type: "bind", Source: cgroupRoot, Target: m.Destination, Flags: opts.set, Recursive: true, Optional: true})
	case len(list) == 1 && list[0].Dir == "":
		p.add(child.Mount{Type: list[0].Type, Source: "cgroup", Target: m.Destination, Flags: opts.set, Data: list[0].Data, Optional: true})
	default:
		p.cgroupTree(m.Destination, opts.set)
	}
}

// cgroupTree mounts the hierarchies of version 1 on directories of a tmpfs, which is closed when they are there.
func (p *planner) cgroupTree(target string, flags uintptr) {
	p.add(child.Mount{Type: "tmpfs", Source: "cgroup", Target: target, Flags: flags &^ unix.MOUNT_ATTR_RDONLY, Data: "mode=755", Optional: true})
	for _, c := range p.o.Host.Cgroups {
		p.add(child.Mount{Type: c.Type, Source: "cgroup", Target: path.Join(target, c.Dir), Flags: flags, Data: c.Data, Optional: true})
	}
	if flags&unix.MOUNT_ATTR_RDONLY != 0 {
		p.plan.ReadOnly = append(slices.Clip(p.plan.ReadOnly), target)
	}
}

// owns says whether the container has a namespace of its own, new or joined.
func (p *planner) owns(kind specs.LinuxNamespaceType) bool {
	return slices.ContainsFunc(p.s.Linux.Namespaces, func(ns specs.LinuxNamespace) bool { return ns.Type == kind })
}

// devices lists the nodes: those of every container, unless /dev is the user's, and the specification's.
func (p *planner) devices() error {
	if !slices.ContainsFunc(p.plan.Mounts, func(m child.Mount) bool { return m.Target == "/dev" && m.Type == "bind" }) {
		for _, d := range defaultDevices {
			p.addDevice(child.Device{Path: d.path, Type: "c", Major: uint32(d.major), Minor: uint32(d.minor), Mode: deviceMode})
		}
	}
	for i := range p.s.Linux.Devices {
		d, err := deviceNode(&p.s.Linux.Devices[i])
		if err != nil {
			return err
		}
		p.addDevice(d)
	}
	return nil
}

// addDevice adds a node, in the place of an earlier one at the same path. Where nodes cannot be made the host's is bound.
func (p *planner) addDevice(d child.Device) {
	if p.o.Rootless {
		d.Source = p.deviceSource(d.Path)
	}
	i := slices.IndexFunc(p.plan.Devices, func(o child.Device) bool { return o.Path == d.Path })
	if i >= 0 {
		p.plan.Devices[i] = d
		return
	}
	p.plan.Devices = append(p.plan.Devices, d)
}

// deviceSource is the host's path of the container's node at target: --device may have given it, or a directory above it, another name.
func (p *planner) deviceSource(target string) string {
	if p.c == nil {
		return target
	}
	for _, d := range p.c.Devices {
		rest, ok := strings.CutPrefix(target, d.Target)
		if ok && (rest == "" || rest[0] == '/') {
			return d.Source + rest
		}
	}
	return target
}

// deviceNode translates a node. "u" is an unbuffered character device: "c".
func deviceNode(d *specs.LinuxDevice) (child.Device, error) {
	node := child.Device{Path: d.Path, Type: d.Type, Major: uint32(d.Major), Minor: uint32(d.Minor), Mode: deviceMode}
	switch d.Type {
	case "c", "b", "p":
	case "u":
		node.Type = "c"
	default:
		return node, fmt.Errorf("device %s has the unknown type %q", d.Path, d.Type)
	}
	if d.FileMode != nil {
		node.Mode = uint32(*d.FileMode) & 0o7777
	}
	if d.UID != nil {
		node.UID = *d.UID
	}
	if d.GID != nil {
		node.GID = *d.GID
	}
	return node, nil
}

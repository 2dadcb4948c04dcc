package plan

import (
	"fmt"
	"path"
	"slices"

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
		opts := readMountOptions(m.Options)
		if (opts.idmap || len(m.UIDMappings)+len(m.GIDMappings) > 0) && !opts.bind && m.Type != "bind" {
			return fmt.Errorf("the mount at %s is no bind, so its ids cannot be mapped", m.Destination)
		}
		if opts.propagation&^unix.MS_REC == unix.MS_PRIVATE {
			opts.propagation = 0 // as it is without a word
		}
		switch {
		case m.Type == "cgroup" || m.Type == "cgroup2":
			p.cgroupMounts(m, &opts)
		case opts.bind || m.Type == "bind":
			if len(opts.data) > 0 && p.o.Docker != nil { // the kernel has no use for them, and runc and crun leave them out
				return fmt.Errorf("option %q of the bind mount at %s is not supported", opts.data[0], m.Destination)
			}
			bind, err := p.bindMount(m, &opts)
			if err != nil {
				return err
			}
			p.add(bind)
		default:
			i := slices.Index(opts.data, "tmpcopyup")
			if i >= 0 && m.Type == "tmpfs" {
				opts.data = slices.Delete(opts.data, i, i+1)
			}
			p.add(child.Mount{
				CopyUp: i >= 0 && m.Type == "tmpfs",
				Type:   m.Type, Source: m.Source, Target: m.Destination,
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
func (p *planner) bindMount(m *specs.Mount, opts *mountOptions) (child.Mount, error) {
	out := child.Mount{
		Type: "bind", Source: m.Source, Target: m.Destination,
		Flags: opts.set, Clear: opts.clear, Propagation: opts.propagation,
		Recursive: opts.recursive, TopOnly: opts.recursive && !opts.deep && opts.set|opts.clear != 0,
		File:     p.o.Etc[m.Destination] == m.Source,
		Optional: m.Source == "/dev/mqueue" && m.Destination == m.Source,
	}
	if v := p.volumeAt(m.Destination); v != nil {
		out.CopyUp = v.CopyUp
		if v.Subpath != "" {
			out.Source, out.Subpath = v.Path, v.Subpath
		}
		p.mapVolume(&out)
	}
	if ids := IDMap(m.UIDMappings, m.GIDMappings); ids != nil {
		out.IDMap = ids
	} else if opts.idmap {
		if p.plan.Userns == nil {
			return out, fmt.Errorf("the mount at %s has no id map, and the container no user namespace of its own", m.Destination)
		}
		out.IDMap = &p.plan.Userns.Map
	}
	return out, nil
}

// mapVolume makes a volume the container's, whose ids are not those of the volume's other users: by a map, else by giving a new one away.
func (p *planner) mapVolume(m *child.Mount) {
	switch {
	case p.plan.Userns == nil:
	case p.o.Mapped:
		m.IDMap = &p.plan.Userns.Map
	case m.Subpath == "":
		m.Adopt = true
	}
}

func (p *planner) volumeAt(target string) *Volume {
	if p.o.Docker == nil || p.o.Docker.VolumeAt == nil {
		return nil
	}
	return p.o.Docker.VolumeAt(target)
}

// cgroupMounts translates the one mount of the specification to those that the host has. They are optional: a user namespace may
// mount only what its cgroup namespace shows.
func (p *planner) cgroupMounts(m *specs.Mount, opts *mountOptions) {
	list := p.o.Host.Cgroups
	switch {
	case len(list) == 0:
	case len(p.o.Groups) > 0:
		p.ownGroups(m.Destination, opts.set)
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

// ownGroups binds the container's own groups of version 1, so that it sees nobody else's (as runc does).
func (p *planner) ownGroups(target string, flags uintptr) {
	p.add(child.Mount{Type: "tmpfs", Source: "cgroup", Target: target, Flags: flags &^ unix.MOUNT_ATTR_RDONLY, Data: "mode=755"})
	for _, g := range p.o.Groups {
		p.add(child.Mount{Type: "bind", Source: g.Data, Target: path.Join(target, g.Dir), Flags: flags})
	}
	if flags&unix.MOUNT_ATTR_RDONLY != 0 {
		p.plan.ReadOnly = append(slices.Clip(p.plan.ReadOnly), target)
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

func (p *planner) deviceSource(target string) string {
	if p.o.Docker == nil {
		return target
	}
	return p.o.Docker.DeviceSourceOf(target)
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

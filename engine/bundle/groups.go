package bundle

import (
	"encoding/json"
	"fmt"
	"hash/fnv"

	"github.com/opencontainers/runtime-spec/specs-go"

	"codeberg.org/hoy/hoy/cgroups/group"
	"codeberg.org/hoy/hoy/oci/plan"
)

// groups makes the container's control groups, when there are any to be had.
func (b *birth) groups() error {
	linux := b.spec.Linux
	if linux.Resources == nil {
		linux.Resources = &specs.LinuxResources{}
	}
	if len(linux.Resources.Devices) == 0 {
		linux.Resources.Devices = []specs.LinuxDeviceCgroup{{Access: "rwm"}} // as runc: what is not allowed is denied
	}
	o := GroupOptions{
		ID: b.ID, Path: linux.CgroupsPath, Systemd: b.r.SystemdCgroup, Resources: linux.Resources,
		Record: func(g *group.Group) error {
			b.Group = g
			return b.save()
		},
	}
	if o.Path == "" && !o.Systemd {
		o.Path, o.Anywhere = b.groupName(), true
	}
	if b.r.Host == nil {
		return b.lightGroups(&o)
	}
	g, err := b.r.Host.Groups(o)
	b.Group = g
	return err
}

// groupName is a name that no container of another root has.
func (b *birth) groupName() string {
	h := fnv.New32a()
	h.Write([]byte(b.r.Root))
	return fmt.Sprintf("hoy-oci-%s-%x", b.ID, h.Sum32())
}

// lightGroups makes the group of a container that wants its devices filtered and nothing else, where the filter is in place (cgroups.Guard), and else
// groups of version 1.
func (b *birth) lightGroups(o *GroupOptions) error {
	own := group.UnifiedOf("self")
	if !o.Anywhere || own == "" || limited(o.Resources) {
		return b.lightV1(o)
	}
	rules, err := json.Marshal(o.Resources.Devices)
	if err != nil {
		return ErrWide
	}
	guard, ready := group.GuardDir(own, rules)
	if !ready {
		return ErrWide
	}
	if err := o.Record(group.Below(guard, o.Path)); err != nil {
		return err
	}
	return b.Group.MakeDir()
}

func limited(r *specs.LinuxResources) bool {
	return r.Memory != nil || r.CPU != nil || r.Pids != nil || r.BlockIO != nil || r.Network != nil || len(r.HugepageLimits)+len(r.Rdma)+len(r.Unified) > 0
}

// ownGroups are the container's groups as they are mounted in it on a host of version 1: for a container without a cgroup namespace, and for one whose
// group is of version 2, which in the hierarchies of version 1 has none of its own.
func ownGroups(c *Container, s *specs.Spec, host *plan.Host) []plan.CgroupMount {
	if c.Group == nil || len(host.Cgroups) == 0 || host.Cgroups[0].Type != "cgroup" {
		return nil
	}
	if c.Group.Unified {
		return []plan.CgroupMount{{Dir: "unified", Data: c.Group.Dir("")}}
	}
	for _, ns := range s.Linux.Namespaces {
		if ns.Type == specs.CgroupNamespace {
			return nil
		}
	}
	var list []plan.CgroupMount
	for names, dir := range c.Group.Dirs {
		list = append(list, plan.CgroupMount{Dir: names, Data: dir})
	}
	return list
}

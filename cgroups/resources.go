package cgroups

import (
	"fmt"
	"slices"
	"strings"

	library "github.com/opencontainers/cgroups"
	devices "github.com/opencontainers/cgroups/devices/config"
	"github.com/opencontainers/runtime-spec/specs-go"

	"codeberg.org/hoy/hoy/cgroups/group"
)

// translate puts the specification's resources into the library's words. It names what the host's version of control groups does not have.
func (h *Host) translate(r *specs.LinuxResources) (*library.Resources, error) {
	out := &library.Resources{SkipDevices: len(r.Devices) == 0 || h.o.Rootless}
	unified := h.Mode != V1
	if r.Memory != nil {
		if err := translateMemory(out, r.Memory, unified); err != nil {
			return nil, err
		}
	}
	if c := r.CPU; c != nil {
		out.CpuShares, out.CpuPeriod, out.CpuQuota = valueOf(c.Shares), valueOf(c.Period), valueOf(c.Quota)
		out.CpusetCpus, out.CpusetMems, out.CpuBurst, out.CPUIdle = c.Cpus, c.Mems, c.Burst, c.Idle
		out.CpuRtPeriod, out.CpuRtRuntime = valueOf(c.RealtimePeriod), valueOf(c.RealtimeRuntime)
		if unified {
			out.CpuWeight = library.ConvertCPUSharesToCgroupV2Value(out.CpuShares)
		}
	}
	if r.Pids != nil {
		out.PidsLimit = r.Pids.Limit
	}
	if r.BlockIO != nil {
		translateBlockIO(out, r.BlockIO)
	}
	if err := translateRare(out, r, unified); err != nil {
		return nil, err
	}
	if len(r.Devices) == 0 {
		return out, nil
	}
	for _, d := range slices.Concat(r.Devices, group.AlwaysAllowed()) {
		rule, err := translateDevice(d)
		if err != nil {
			return nil, err
		}
		out.Devices = append(out.Devices, rule)
	}
	return out, nil
}

// translateRare takes what only a runtime specification asks for.
func translateRare(out *library.Resources, r *specs.LinuxResources, unified bool) error {
	for _, l := range r.HugepageLimits {
		out.HugetlbLimit = append(out.HugetlbLimit, &library.HugepageLimit{Pagesize: l.Pagesize, Limit: l.Limit})
	}
	if n := r.Network; n != nil {
		out.NetClsClassid = valueOf(n.ClassID)
		for _, p := range n.Priorities {
			out.NetPrioIfpriomap = append(out.NetPrioIfpriomap, &library.IfPrioMap{Interface: p.Name, Priority: int64(p.Priority)})
		}
	}
	for name, l := range r.Rdma {
		if out.Rdma == nil {
			out.Rdma = map[string]library.LinuxRdma{}
		}
		out.Rdma[name] = library.LinuxRdma{HcaHandles: l.HcaHandles, HcaObjects: l.HcaObjects}
	}
	out.Unified = r.Unified
	switch {
	case unified && (out.NetClsClassid != 0 || len(out.NetPrioIfpriomap) > 0):
		return &Error{What: "linux.resources.network needs control groups version 1", Fix: "leave it out"}
	case !unified && len(r.Unified) > 0:
		return &Error{What: "linux.resources.unified needs control groups version 2", Fix: "leave it out"}
	}
	return nil
}

func translateMemory(out *library.Resources, m *specs.LinuxMemory, unified bool) error {
	out.Memory, out.MemorySwap, out.MemoryReservation = valueOf(m.Limit), valueOf(m.Swap), valueOf(m.Reservation)
	out.MemorySwappiness, out.OomKillDisable = m.Swappiness, valueOf(m.DisableOOMKiller)
	out.MemoryCheckBeforeUpdate = valueOf(m.CheckBeforeUpdate)
	switch {
	case unified && m.Swappiness != nil:
		return &Error{What: "memory swappiness of a container needs control groups version 1", Fix: "leave --memory-swappiness out"}
	case unified && out.OomKillDisable:
		return &Error{What: "disabling the OOM killer of a container needs control groups version 1", Fix: "leave --oom-kill-disable out"}
	}
	return nil
}

func translateBlockIO(out *library.Resources, b *specs.LinuxBlockIO) {
	out.BlkioWeight, out.BlkioLeafWeight = valueOf(b.Weight), valueOf(b.LeafWeight)
	for _, d := range b.WeightDevice {
		out.BlkioWeightDevice = append(out.BlkioWeightDevice, library.NewWeightDevice(d.Major, d.Minor, valueOf(d.Weight), valueOf(d.LeafWeight)))
	}
	for _, list := range []struct {
		to   *[]*library.ThrottleDevice
		from []specs.LinuxThrottleDevice
	}{
		{&out.BlkioThrottleReadBpsDevice, b.ThrottleReadBpsDevice},
		{&out.BlkioThrottleWriteBpsDevice, b.ThrottleWriteBpsDevice},
		{&out.BlkioThrottleReadIOPSDevice, b.ThrottleReadIOPSDevice},
		{&out.BlkioThrottleWriteIOPSDevice, b.ThrottleWriteIOPSDevice},
	} {
		for _, d := range list.from {
			*list.to = append(*list.to, library.NewThrottleDevice(d.Major, d.Minor, d.Rate))
		}
	}
}

// translateDevice reads one rule of the device filter. A number that is missing means all.
func translateDevice(d specs.LinuxDeviceCgroup) (*devices.Rule, error) {
	rule := &devices.Rule{Type: devices.WildcardDevice, Major: devices.Wildcard, Minor: devices.Wildcard,
		Permissions: devices.Permissions(d.Access), Allow: d.Allow}
	if d.Type != "" {
		rule.Type = devices.Type(d.Type[0])
	}
	if d.Major != nil {
		rule.Major = *d.Major
	}
	if d.Minor != nil {
		rule.Minor = *d.Minor
	}
	if !rule.Type.CanCgroup() || !rule.Permissions.IsValid() {
		return nil, fmt.Errorf("invalid device rule %q %q", d.Type, d.Access)
	}
	return rule, nil
}

// needs lists the controllers that resources ask for, by their names in version 2.
func needs(r *library.Resources) []string {
	var list []string
	for _, c := range []struct {
		name  string
		asked bool
	}{
		{"cpu", r.CpuWeight != 0 || r.CpuShares != 0 || r.CpuQuota != 0 || r.CpuPeriod != 0 || r.CPUIdle != nil || r.CpuBurst != nil ||
			r.CpuRtPeriod != 0 || r.CpuRtRuntime != 0},
		{"cpuset", r.CpusetCpus != "" || r.CpusetMems != ""},
		{"io", r.BlkioWeight != 0 || len(r.BlkioWeightDevice) > 0 || len(r.BlkioThrottleReadBpsDevice) > 0 || len(r.BlkioThrottleWriteBpsDevice) > 0 ||
			len(r.BlkioThrottleReadIOPSDevice) > 0 || len(r.BlkioThrottleWriteIOPSDevice) > 0},
		{"memory", r.Memory != 0 || r.MemorySwap != 0 || r.MemoryReservation != 0 || r.MemorySwappiness != nil || r.OomKillDisable},
		{"pids", r.PidsLimit != nil},
		{"hugetlb", len(r.HugetlbLimit) > 0},
		{"rdma", len(r.Rdma) > 0},
		{"net_cls", r.NetClsClassid != 0},
		{"net_prio", len(r.NetPrioIfpriomap) > 0},
	} {
		if c.asked {
			list = append(list, c.name)
		}
	}
	for file := range r.Unified { // "memory.high" is memory's; cgroup.* are the hierarchy's own
		if name, _, ok := strings.Cut(file, "."); ok && name != "cgroup" && !has(list, name) {
			list = append(list, name)
		}
	}
	return list
}

// v1Name is the name in version 1 of a controller of version 2.
func v1Name(name string) string {
	if name == "io" {
		return "blkio"
	}
	return name
}

func has(list []string, word string) bool { return slices.Contains(list, word) }

func valueOf[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

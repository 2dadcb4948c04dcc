package cli

import (
	"codeberg.org/hoy/hoy/engine/cli/flags"
	"codeberg.org/hoy/hoy/oci"
)

// limitFlags are the flags of a container's resources.
func (o *containerOptions) limitFlags() []*flags.Flag {
	r := &o.cfg.Resources
	list := []*flags.Flag{
		flags.Func(appendParsed(&r.BlkioWeightDevice, oci.ParseDeviceWeight), "blkio-weight-device", "Block IO weight (relative device weight)"),
		flags.String(&r.CgroupParent, "cgroup-parent", "Optional parent cgroup for the container"),
		flags.String(&r.Cgroups, "cgroups", `Control groups of the container (enabled|disabled|split)
'enabled':  Make them even without limits
'disabled': Make none, and go without limits
'split':    Make them in the unit that hoy runs in, which needs Delegate=yes
(default: make them when there are limits)`).OneOf("enabled", "disabled", "split"),
		flags.Func(keep(&r.DeviceCgroupRules, oci.CheckDeviceRule), "device-cgroup-rule", "Add a rule to the cgroup allowed devices list"),
		flags.Func(appendParsed(&r.DeviceReadBps, oci.ParseDeviceRate), "device-read-bps", "Limit read rate (bytes per second) from a device"),
		flags.Func(appendParsed(&r.DeviceReadIOps, oci.ParseDeviceIOps), "device-read-iops", "Limit read rate (IO per second) from a device"),
		flags.Func(appendParsed(&r.DeviceWriteBps, oci.ParseDeviceRate), "device-write-bps", "Limit write rate (bytes per second) to a device"),
		flags.Func(appendParsed(&r.DeviceWriteIOps, oci.ParseDeviceIOps), "device-write-iops", "Limit write rate (IO per second) to a device"),
		flags.Int(&o.swappiness, "memory-swappiness", "Tune container memory swappiness (0 to 100)"),
		flags.Bool(&r.OomKillDisable, "oom-kill-disable", "Disable OOM Killer"),
	}
	return append(list, updatableFlags(r)...)
}

// updatableFlags are those that `update` changes as well.
func updatableFlags(r *oci.Resources) []*flags.Flag {
	return []*flags.Flag{
		flags.Int(&r.BlkioWeight, "blkio-weight", "Block IO (relative weight), between 10 and 1000, or 0 to disable (default 0)").As("uint16"),
		flags.Int(&r.CPUPeriod, "cpu-period", "Limit CPU CFS (Completely Fair Scheduler) period"),
		flags.Int(&r.CPUQuota, "cpu-quota", "Limit CPU CFS (Completely Fair Scheduler) quota"),
		flags.Int(&r.CPUShares, "cpu-shares,c", "CPU shares (relative weight)"),
		flags.Func(setParsed(&r.NanoCPUs, oci.ParseCPUs), "cpus", "Number of CPUs").As("decimal"),
		flags.String(&r.CpusetCpus, "cpuset-cpus", "CPUs in which to allow execution (0-3, 0,1)"),
		flags.String(&r.CpusetMems, "cpuset-mems", "MEMs in which to allow execution (0-3, 0,1)"),
		flags.Func(setParsed(&r.Memory, oci.ParseBytes), "memory,m", "Memory limit").As("bytes"),
		flags.Func(setParsed(&r.MemoryReservation, oci.ParseBytes), "memory-reservation", "Memory soft limit").As("bytes"),
		flags.Func(setParsed(&r.MemorySwap, oci.ParseMemorySwap), "memory-swap",
			`Swap limit equal to memory plus swap: '-1' to enable unlimited swap`).As("bytes"),
		flags.Int(&r.PidsLimit, "pids-limit", "Tune container pids limit (set -1 for unlimited)"),
	}
}

// setParsed makes the setter of a value that is parsed as it is given.
func setParsed[T any](to *T, parse func(string) (T, error)) func(string) error {
	return func(s string) error {
		v, err := parse(s)
		if err == nil {
			*to = v
		}
		return err
	}
}

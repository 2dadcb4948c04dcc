package engine

import "codeberg.org/hoy/hoy/oci"

// InspectResources are the limits in HostConfig. Source: Docker Engine API 1.47, Resources.
type InspectResources struct {
	CpuShares            int
	Memory               int64
	NanoCpus             int64
	CgroupParent         string
	BlkioWeight          int
	BlkioWeightDevice    []InspectWeight
	BlkioDeviceReadBps   []InspectRate
	BlkioDeviceWriteBps  []InspectRate
	BlkioDeviceReadIOps  []InspectRate
	BlkioDeviceWriteIOps []InspectRate
	CpuPeriod            int
	CpuQuota             int
	CpusetCpus           string
	CpusetMems           string
	DeviceCgroupRules    []string
	MemoryReservation    int64
	MemorySwap           int64
	MemorySwappiness     *int64
	OomKillDisable       *bool
	PidsLimit            *int
}

// InspectWeight is one --blkio-weight-device.
type InspectWeight struct {
	Path   string
	Weight uint64
}

// InspectRate is one --device-read-bps, or another limit of a device.
type InspectRate struct {
	Path string
	Rate uint64
}

func inspectResources(r *oci.Resources) InspectResources {
	i := InspectResources{
		CpuShares:            r.CPUShares,
		Memory:               r.Memory,
		NanoCpus:             r.NanoCPUs,
		CgroupParent:         r.CgroupParent,
		BlkioWeight:          r.BlkioWeight,
		BlkioWeightDevice:    []InspectWeight{},
		BlkioDeviceReadBps:   rates(r.DeviceReadBps),
		BlkioDeviceWriteBps:  rates(r.DeviceWriteBps),
		BlkioDeviceReadIOps:  rates(r.DeviceReadIOps),
		BlkioDeviceWriteIOps: rates(r.DeviceWriteIOps),
		CpuPeriod:            r.CPUPeriod,
		CpuQuota:             r.CPUQuota,
		CpusetCpus:           r.CpusetCpus,
		CpusetMems:           r.CpusetMems,
		DeviceCgroupRules:    r.DeviceCgroupRules,
		MemoryReservation:    r.MemoryReservation,
		MemorySwap:           r.MemorySwap,
		MemorySwappiness:     r.MemorySwappiness,
	}
	for _, w := range r.BlkioWeightDevice {
		i.BlkioWeightDevice = append(i.BlkioWeightDevice, InspectWeight{w.Path, w.Value})
	}
	if r.OomKillDisable {
		i.OomKillDisable = &r.OomKillDisable
	}
	if r.PidsLimit != 0 {
		i.PidsLimit = &r.PidsLimit
	}
	return i
}

func rates(list []oci.DeviceNumber) []InspectRate {
	out := []InspectRate{}
	for _, d := range list {
		out = append(out, InspectRate{d.Path, d.Value})
	}
	return out
}

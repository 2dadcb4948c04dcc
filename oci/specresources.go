package oci

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// resources sets the limits (moby daemon/daemon_unix.go, getMemoryResources and the functions after it).
func (s *specBuilder) resources() error {
	r, out := &s.c.Resources, s.g.Config.Linux.Resources
	if r.Cgroups == "disabled" {
		return nil
	}
	out.Memory, out.CPU = memoryResources(r), cpuResources(r)
	if r.PidsLimit > 0 {
		limit := int64(r.PidsLimit)
		out.Pids = &specs.LinuxPids{Limit: &limit}
	}
	var err error
	if out.BlockIO, err = s.blockIO(r); err != nil {
		return err
	}
	for _, text := range r.DeviceCgroupRules {
		rule, err := parseDeviceRule(text)
		if err != nil {
			return err
		}
		s.allow(rule)
	}
	if s.o.Rootless && len(r.DeviceCgroupRules) > 0 {
		return fmt.Errorf("--device-cgroup-rule needs root: the kernel lets ordinary users have no device filter")
	}
	return nil
}

func memoryResources(r *Resources) *specs.LinuxMemory {
	m := specs.LinuxMemory{Limit: nonZero(r.Memory), Swap: nonZero(r.MemorySwap), Reservation: nonZero(r.MemoryReservation)}
	if r.MemorySwappiness != nil {
		swappiness := uint64(*r.MemorySwappiness)
		m.Swappiness = &swappiness
	}
	if r.OomKillDisable {
		m.DisableOOMKiller = &r.OomKillDisable
	}
	if m == (specs.LinuxMemory{}) {
		return nil
	}
	return &m
}

// nanoPeriod is the period in which --cpus is a quota, in microseconds.
const nanoPeriod = 100000

func cpuResources(r *Resources) *specs.LinuxCPU {
	c := specs.LinuxCPU{Cpus: r.CpusetCpus, Mems: r.CpusetMems, Quota: nonZero(int64(r.CPUQuota)),
		Shares: nonZero(uint64(r.CPUShares)), Period: nonZero(uint64(r.CPUPeriod))}
	if r.NanoCPUs > 0 {
		c.Period, c.Quota = nonZero(uint64(nanoPeriod)), nonZero(r.NanoCPUs*nanoPeriod/1e9)
	}
	if c == (specs.LinuxCPU{}) {
		return nil
	}
	return &c
}

func nonZero[T int64 | uint64 | uint16](v T) *T {
	if v == 0 {
		return nil
	}
	return &v
}

func (s *specBuilder) blockIO(r *Resources) (*specs.LinuxBlockIO, error) {
	b := &specs.LinuxBlockIO{Weight: nonZero(uint16(r.BlkioWeight))}
	some := b.Weight != nil
	for _, w := range r.BlkioWeightDevice {
		number, err := s.blockDevice(w.Path)
		if err != nil {
			return nil, err
		}
		some = true
		b.WeightDevice = append(b.WeightDevice, specs.LinuxWeightDevice{LinuxBlockIODevice: number, Weight: nonZero(uint16(w.Value))})
	}
	for _, list := range []struct {
		from []DeviceNumber
		to   *[]specs.LinuxThrottleDevice
	}{
		{r.DeviceReadBps, &b.ThrottleReadBpsDevice},
		{r.DeviceWriteBps, &b.ThrottleWriteBpsDevice},
		{r.DeviceReadIOps, &b.ThrottleReadIOPSDevice},
		{r.DeviceWriteIOps, &b.ThrottleWriteIOPSDevice},
	} {
		for _, d := range list.from {
			number, err := s.blockDevice(d.Path)
			if err != nil {
				return nil, err
			}
			some = true
			*list.to = append(*list.to, specs.LinuxThrottleDevice{LinuxBlockIODevice: number, Rate: d.Value})
		}
	}
	if !some {
		return nil, nil
	}
	return b, nil
}

// blockDevice gives the numbers of a block device of the host.
func (s *specBuilder) blockDevice(path string) (n specs.LinuxBlockIODevice, err error) {
	if s.o.Device == nil {
		return n, fmt.Errorf("no way to look at device %s", path)
	}
	nodes, err := s.o.Device(path)
	if err != nil {
		return n, err
	}
	if len(nodes) != 1 || nodes[0].Type != "b" {
		return n, fmt.Errorf("%s is not a block device", path)
	}
	n.Major, n.Minor = nodes[0].Major, nodes[0].Minor
	return n, nil
}

// parseDeviceRule reads a --device-cgroup-rule: a, b or c, two numbers or *, and of r, w and m one to three. The message is docker/cli's.
func parseDeviceRule(s string) (specs.LinuxDeviceCgroup, error) {
	bad := fmt.Errorf("invalid device cgroup format '%s'", s)
	rule := specs.LinuxDeviceCgroup{Allow: true}
	words := strings.Split(s, " ")
	if len(words) != 3 || len(words[0]) != 1 || !strings.Contains("abc", words[0]) ||
		words[2] == "" || len(words[2]) > 3 || strings.Trim(words[2], "rwm") != "" {
		return rule, bad
	}
	rule.Type, rule.Access = words[0], words[2]
	major, minor, _ := strings.Cut(words[1], ":")
	for _, number := range []struct {
		text string
		to   **int64
	}{{major, &rule.Major}, {minor, &rule.Minor}} {
		if number.text == "*" {
			continue
		}
		n, err := strconv.ParseUint(number.text, 10, 31)
		if err != nil {
			return rule, bad
		}
		signed := int64(n)
		*number.to = &signed
	}
	return rule, nil
}

// UpdateSpec is what `update` can change of a running container, in the specification's words.
func UpdateSpec(r *Resources) *specs.LinuxResources {
	out := &specs.LinuxResources{Memory: memoryResources(r), CPU: cpuResources(r)}
	if out.Memory != nil {
		out.Memory.DisableOOMKiller = nil
	}
	if r.PidsLimit != 0 {
		limit := int64(r.PidsLimit)
		out.Pids = &specs.LinuxPids{Limit: &limit}
	}
	if r.BlkioWeight != 0 {
		out.BlockIO = &specs.LinuxBlockIO{Weight: nonZero(uint16(r.BlkioWeight))}
	}
	return out
}

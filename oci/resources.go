package oci

import (
	"errors"
	"fmt"
	"math/big"
	"path"
	"strconv"
	"strings"
)

// Resources are the limits of a container. The zero value is none, and then the container needs no control group.
type Resources struct {
	Memory            int64  `json:"memory,omitempty"`            // bytes
	MemorySwap        int64  `json:"memorySwap,omitempty"`        // bytes of memory and swap together; -1: unlimited swap
	MemoryReservation int64  `json:"memoryReservation,omitempty"` // bytes
	MemorySwappiness  *int64 `json:"memorySwappiness,omitempty"`  // 0 to 100; nil: the kernel's
	OomKillDisable    bool   `json:"oomKillDisable,omitempty"`

	NanoCPUs   int64  `json:"nanoCpus,omitempty"`  // billionths of a CPU
	CPUShares  int    `json:"cpuShares,omitempty"` // relative weight; 1024 is the usual one
	CPUPeriod  int    `json:"cpuPeriod,omitempty"` // microseconds
	CPUQuota   int    `json:"cpuQuota,omitempty"`  // microseconds in each period; -1: unlimited
	CpusetCpus string `json:"cpusetCpus,omitempty"`
	CpusetMems string `json:"cpusetMems,omitempty"`

	PidsLimit int `json:"pidsLimit,omitempty"` // 0 and less: none

	BlkioWeight       int            `json:"blkioWeight,omitempty"` // 10 to 1000
	BlkioWeightDevice []DeviceNumber `json:"blkioWeightDevice,omitempty"`
	DeviceReadBps     []DeviceNumber `json:"deviceReadBps,omitempty"`
	DeviceWriteBps    []DeviceNumber `json:"deviceWriteBps,omitempty"`
	DeviceReadIOps    []DeviceNumber `json:"deviceReadIOps,omitempty"`
	DeviceWriteIOps   []DeviceNumber `json:"deviceWriteIOps,omitempty"`
	DeviceCgroupRules []string       `json:"deviceCgroupRules,omitempty"` // "c 1:3 rwm"

	CgroupParent string `json:"cgroupParent,omitempty"`
	// Cgroups is Podman's --cgroups: "" for a group when there are limits, "enabled" for one in any case, "split" for one below the caller's own,
	// "disabled" and "no-conmon" as Podman has them: without, and as enabled.
	Cgroups string `json:"cgroups,omitempty"`
}

// DeviceNumber is a weight or a rate for one block device of the host.
type DeviceNumber struct {
	Path  string `json:"path"`
	Value uint64 `json:"value"` // a weight, bytes per second, or operations per second
}

// Limited says whether the container is to have a control group.
func (r *Resources) Limited() bool {
	switch r.Cgroups {
	case "disabled":
		return false
	case "enabled", "split":
		return true
	}
	return r.Memory != 0 || r.MemorySwap > 0 || r.MemoryReservation != 0 || r.MemorySwappiness != nil || r.OomKillDisable ||
		r.NanoCPUs != 0 || r.CPUShares != 0 || r.CPUPeriod != 0 || r.CPUQuota != 0 || r.CpusetCpus != "" || r.CpusetMems != "" ||
		r.PidsLimit > 0 || r.BlkioWeight != 0 || len(r.BlkioWeightDevice) > 0 || len(r.DeviceReadBps) > 0 || len(r.DeviceWriteBps) > 0 ||
		len(r.DeviceReadIOps) > 0 || len(r.DeviceWriteIOps) > 0 || len(r.DeviceCgroupRules) > 0 || r.CgroupParent != ""
}

// Derive fills in what Docker does: a memory limit is one of as much swap, too.
func (r *Resources) Derive() {
	if r.Memory > 0 && r.MemorySwap == 0 {
		r.MemorySwap = 2 * r.Memory
	}
}

// Check says what is wrong with the numbers, in Docker's words (moby daemon/daemon_unix.go, verifyPlatformContainerResources). What only the host knows, the
// number of CPUs for one, is not looked at.
func (r *Resources) Check() error {
	for _, check := range []func() error{r.checkMemory, r.checkCPU, r.checkBlkio} {
		if err := check(); err != nil {
			return err
		}
	}
	switch r.Cgroups {
	case "", "enabled", "disabled", "split", "no-conmon":
		return nil
	}
	return fmt.Errorf("invalid value %q for --cgroups: must be enabled, disabled or split", r.Cgroups)
}

const minMemory = 6 << 20 // bytes; less is too little to start a process

//lint:file-ignore ST1005 Docker's words

func (r *Resources) checkMemory() error {
	switch {
	case r.Memory != 0 && r.Memory < minMemory:
		return errors.New("Minimum memory limit allowed is 6MB")
	case r.Memory > 0 && r.MemorySwap > 0 && r.MemorySwap < r.Memory:
		return errors.New("Minimum memoryswap limit should be larger than memory limit, see usage")
	case r.Memory == 0 && r.MemorySwap > 0:
		return errors.New("You should always set the Memory limit when using Memoryswap limit, see usage")
	case r.MemorySwap < -1:
		return fmt.Errorf("Invalid value: %d, valid memory swap is a size or -1", r.MemorySwap)
	case r.MemorySwappiness != nil && (*r.MemorySwappiness < 0 || *r.MemorySwappiness > 100):
		return fmt.Errorf("Invalid value: %d, valid memory swappiness range is 0-100", *r.MemorySwappiness)
	case r.MemoryReservation != 0 && r.MemoryReservation < minMemory:
		return errors.New("Minimum memory reservation allowed is 6MB")
	case r.Memory > 0 && r.MemoryReservation > 0 && r.Memory < r.MemoryReservation:
		return errors.New("Minimum memory limit can not be less than memory reservation limit, see usage")
	}
	return nil
}

func (r *Resources) checkCPU() error {
	switch {
	case r.NanoCPUs > 0 && r.CPUPeriod > 0:
		return errors.New("Conflicting options: Nano CPUs and CPU Period cannot both be set")
	case r.NanoCPUs > 0 && r.CPUQuota > 0:
		return errors.New("Conflicting options: Nano CPUs and CPU Quota cannot both be set")
	case r.CPUShares < 0:
		return fmt.Errorf("invalid CPU shares (%d): value must be a positive integer", r.CPUShares)
	case r.CPUPeriod != 0 && (r.CPUPeriod < 1000 || r.CPUPeriod > 1000000):
		return errors.New("CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)")
	case r.CPUQuota > 0 && r.CPUQuota < 1000:
		return errors.New("CPU cfs quota can not be less than 1ms (i.e. 1000)")
	}
	if _, ok := ParseNumberList(r.CpusetCpus); !ok {
		return fmt.Errorf("Invalid value %s for cpuset cpus", r.CpusetCpus)
	}
	if _, ok := ParseNumberList(r.CpusetMems); !ok {
		return fmt.Errorf("Invalid value %s for cpuset mems", r.CpusetMems)
	}
	return nil
}

func (r *Resources) checkBlkio() error {
	if r.BlkioWeight != 0 && (r.BlkioWeight < 10 || r.BlkioWeight > 1000) {
		return errors.New("Range of blkio weight is from 10 to 1000")
	}
	for _, d := range r.BlkioWeightDevice {
		if d.Value != 0 && (d.Value < 10 || d.Value > 1000) {
			return fmt.Errorf("Range of blkio weight is from 10 to 1000 (%s)", d.Path)
		}
	}
	return nil
}

// ParseCPUs reads --cpus: a decimal number or a fraction, in billionths of a CPU. Messages are docker/cli's.
func ParseCPUs(s string) (int64, error) {
	cpus, ok := new(big.Rat).SetString(s)
	if !ok {
		return 0, fmt.Errorf("failed to parse %v as a rational number", s)
	}
	nano := cpus.Mul(cpus, big.NewRat(1e9, 1))
	if !nano.IsInt() || !nano.Num().IsInt64() {
		return 0, errors.New("value is too precise")
	}
	return nano.Num().Int64(), nil
}

// ParseMemorySwap reads --memory-swap: a size, or -1.
func ParseMemorySwap(s string) (int64, error) {
	if s == "-1" {
		return -1, nil
	}
	return ParseBytes(s)
}

// ParseNumberList reads a list such as "0-2,7", as cpuset(7) writes CPUs and memory nodes. The empty list is "".
func ParseNumberList(s string) ([]int, bool) {
	var list []int
	if s == "" {
		return nil, true
	}
	for part := range strings.SplitSeq(s, ",") {
		first, last, isRange := strings.Cut(part, "-")
		from, err := strconv.ParseUint(first, 10, 13) // at most 8192 CPUs, as Linux has
		to := from
		if err == nil && isRange {
			to, err = strconv.ParseUint(last, 10, 13)
		}
		if err != nil || to < from {
			return nil, false
		}
		for n := from; n <= to; n++ {
			list = append(list, int(n))
		}
	}
	return list, true
}

// ParseDeviceRate reads --device-read-bps and --device-write-bps, PATH:RATE with a rate such as 1mb. Messages are docker/cli's.
func ParseDeviceRate(s string) (DeviceNumber, error) {
	return parseDeviceNumber(s, func(rate string) (uint64, error) {
		n, err := ParseBytes(rate)
		if err != nil || n < 0 {
			return 0, fmt.Errorf("invalid rate for device: %s. The correct format is <device-path>:<number>[<unit>]. "+
				"Number must be a positive integer. Unit is optional and can be kb, mb, or gb", s)
		}
		return uint64(n), nil
	})
}

// ParseDeviceIOps reads --device-read-iops and --device-write-iops, PATH:NUMBER. Messages are docker/cli's.
func ParseDeviceIOps(s string) (DeviceNumber, error) {
	return parseDeviceNumber(s, func(rate string) (uint64, error) {
		n, err := strconv.ParseUint(rate, 10, 64)
		if err != nil {
			err = fmt.Errorf("invalid rate for device: %s. The correct format is <device-path>:<number>. Number must be a positive integer", s)
		}
		return n, err
	})
}

// ParseDeviceWeight reads --blkio-weight-device, PATH:WEIGHT. Messages are docker/cli's.
func ParseDeviceWeight(s string) (DeviceNumber, error) {
	return parseDeviceNumber(s, func(weight string) (uint64, error) {
		n, err := strconv.ParseUint(weight, 10, 16)
		if err != nil || n > 0 && (n < 10 || n > 1000) {
			return 0, fmt.Errorf("invalid weight for device: %s", s)
		}
		return n, nil
	})
}

func parseDeviceNumber(s string, value func(string) (uint64, error)) (d DeviceNumber, err error) {
	name, number, ok := strings.Cut(s, ":")
	if !ok || name == "" {
		return d, fmt.Errorf("bad format: %s", s)
	}
	if !path.IsAbs(name) || !strings.HasPrefix(path.Clean(name), "/dev/") {
		return d, fmt.Errorf("bad format for device path: %s", s)
	}
	d.Path = name
	d.Value, err = value(number)
	return d, err
}

// CheckDeviceRule checks a --device-cgroup-rule, "TYPE MAJOR:MINOR ACCESS".
func CheckDeviceRule(s string) error {
	_, err := parseDeviceRule(s)
	return err
}

// Merge changes what is not zero in u, as Docker's `update` does (moby container/container_unix.go, UpdateContainer).
func (r *Resources) Merge(u *Resources) error {
	switch {
	case u.NanoCPUs > 0 && (r.CPUPeriod > 0 || u.CPUPeriod > 0):
		return errors.New("Conflicting options: Nano CPUs cannot be updated as CPU Period has already been set")
	case u.NanoCPUs > 0 && (r.CPUQuota > 0 || u.CPUQuota > 0):
		return errors.New("Conflicting options: Nano CPUs cannot be updated as CPU Quota has already been set")
	case u.CPUPeriod > 0 && r.NanoCPUs > 0:
		return errors.New("Conflicting options: CPU Period cannot be updated as NanoCPUs has already been set")
	case u.CPUQuota > 0 && r.NanoCPUs > 0:
		return errors.New("Conflicting options: CPU Quota cannot be updated as NanoCPUs has already been set")
	case u.Memory != 0 && u.MemorySwap == 0 && r.MemorySwap > 0 && u.Memory > r.MemorySwap:
		return errors.New("Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time")
	}
	merge(&r.BlkioWeight, u.BlkioWeight)
	merge(&r.CPUShares, u.CPUShares)
	merge(&r.NanoCPUs, u.NanoCPUs)
	merge(&r.CPUPeriod, u.CPUPeriod)
	merge(&r.CPUQuota, u.CPUQuota)
	merge(&r.CpusetCpus, u.CpusetCpus)
	merge(&r.CpusetMems, u.CpusetMems)
	merge(&r.Memory, u.Memory)
	merge(&r.MemorySwap, u.MemorySwap)
	merge(&r.MemoryReservation, u.MemoryReservation)
	merge(&r.PidsLimit, u.PidsLimit)
	return r.Check()
}

func merge[T comparable](to *T, from T) {
	var zero T
	if from != zero {
		*to = from
	}
}

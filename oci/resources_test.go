package oci

import (
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

func TestResourcesCheck(t *testing.T) {
	over := int64(101)
	for _, c := range []struct {
		r    Resources
		want string
	}{
		{Resources{Memory: 1 << 20}, "Minimum memory limit allowed is 6MB"},
		{Resources{Memory: -1}, "Minimum memory limit allowed is 6MB"},
		{Resources{Memory: 64 << 20, MemorySwap: 32 << 20}, "Minimum memoryswap limit should be larger than memory limit, see usage"},
		{Resources{MemorySwap: 32 << 20}, "You should always set the Memory limit when using Memoryswap limit, see usage"},
		{Resources{MemorySwappiness: &over}, "Invalid value: 101, valid memory swappiness range is 0-100"},
		{Resources{MemoryReservation: 1}, "Minimum memory reservation allowed is 6MB"},
		{Resources{Memory: 8 << 20, MemoryReservation: 9 << 20}, "Minimum memory limit can not be less than memory reservation limit, see usage"},
		{Resources{NanoCPUs: 1, CPUPeriod: 1000}, "Conflicting options: Nano CPUs and CPU Period cannot both be set"},
		{Resources{NanoCPUs: 1, CPUQuota: 1000}, "Conflicting options: Nano CPUs and CPU Quota cannot both be set"},
		{Resources{CPUShares: -1}, "invalid CPU shares (-1): value must be a positive integer"},
		{Resources{CPUPeriod: 10}, "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)"},
		{Resources{CPUQuota: 10}, "CPU cfs quota can not be less than 1ms (i.e. 1000)"},
		{Resources{CpusetCpus: "1-"}, "Invalid value 1- for cpuset cpus"},
		{Resources{CpusetMems: "x"}, "Invalid value x for cpuset mems"},
		{Resources{BlkioWeight: 9}, "Range of blkio weight is from 10 to 1000"},
		{Resources{Cgroups: "maybe"}, `invalid value "maybe" for --cgroups: must be enabled, disabled or split`},
		{Resources{Memory: 6 << 20, MemorySwap: -1, CPUQuota: -1, PidsLimit: -1, CpusetCpus: "0-3,5"}, ""},
	} {
		got := ""
		if err := c.r.Check(); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%+v: %q, want %q", c.r, got, c.want)
		}
	}
}

func TestLimited(t *testing.T) {
	for _, c := range []struct {
		r    Resources
		want bool
	}{
		{Resources{}, false},
		{Resources{PidsLimit: -1, MemorySwap: -1}, false},
		{Resources{Cgroups: "no-conmon"}, false},
		{Resources{Cgroups: "split"}, true},
		{Resources{Cgroups: "enabled"}, true},
		{Resources{Memory: 1 << 30}, true},
		{Resources{Memory: 1 << 30, Cgroups: "disabled"}, false},
		{Resources{DeviceCgroupRules: []string{"a *:* rwm"}}, true},
	} {
		if got := c.r.Limited(); got != c.want {
			t.Errorf("%+v: %v", c.r, got)
		}
	}
}

func TestParseCPUs(t *testing.T) {
	for s, want := range map[string]int64{"1.5": 15e8, "1/2": 5e8, ".01": 1e7, "2": 2e9} {
		if got, err := ParseCPUs(s); got != want || err != nil {
			t.Errorf("%s: %d, %v", s, got, err)
		}
	}
	for s, want := range map[string]string{"x": "failed to parse x as a rational number", "1/3": "value is too precise", "": "failed to parse  as a rational number"} {
		if _, err := ParseCPUs(s); err == nil || err.Error() != want {
			t.Errorf("%s: %v", s, err)
		}
	}
}

func TestParseNumberList(t *testing.T) {
	for _, s := range []string{"-", "1-", "2-1", "1,", "99999", "0-4294967295", "a", "1 "} {
		if list, ok := ParseNumberList(s); ok {
			t.Errorf("%q: %v", s, list)
		}
	}
	if list, ok := ParseNumberList("0-2,7"); !ok || !slices.Equal(list, []int{0, 1, 2, 7}) {
		t.Errorf("%v %v", list, ok)
	}
}

func TestParseDeviceNumbers(t *testing.T) {
	for _, c := range []struct {
		parse func(string) (DeviceNumber, error)
		in    string
		want  uint64
		fails string
	}{
		{ParseDeviceRate, "/dev/sda:1mb", 1 << 20, ""},
		{ParseDeviceRate, "/dev/sda", 0, "bad format: /dev/sda"},
		{ParseDeviceRate, "/etc/x:1", 0, "bad format for device path: /etc/x:1"},
		{ParseDeviceRate, "/dev/../etc/x:1", 0, "bad format for device path: /dev/../etc/x:1"},
		{ParseDeviceRate, "/dev/sda:x", 0, "invalid rate for device: /dev/sda:x. The correct format is <device-path>:<number>[<unit>]"},
		{ParseDeviceIOps, "/dev/sda:10", 10, ""},
		{ParseDeviceIOps, "/dev/sda:1k", 0, "invalid rate for device: /dev/sda:1k. The correct format is <device-path>:<number>."},
		{ParseDeviceWeight, "/dev/sda:100", 100, ""},
		{ParseDeviceWeight, "/dev/sda:9", 0, "invalid weight for device: /dev/sda:9"},
	} {
		got, err := c.parse(c.in)
		if c.fails != "" {
			if err == nil || !strings.HasPrefix(err.Error(), c.fails) {
				t.Errorf("%s: %v, want %s", c.in, err, c.fails)
			}
		} else if err != nil || got.Value != c.want || got.Path != "/dev/sda" {
			t.Errorf("%s: %+v, %v", c.in, got, err)
		}
	}
}

func TestDeviceRule(t *testing.T) {
	for _, s := range []string{"", "c 1:3", "x 1:3 r", "c 1 r", "c 1:3 rx", "c 1:3 rwmr", "c -1:3 r", "c  1:3 r", "c 1:3 ", "c 99999999999:3 r"} {
		if err := CheckDeviceRule(s); err == nil || err.Error() != "invalid device cgroup format '"+s+"'" {
			t.Errorf("%q: %v", s, err)
		}
	}
	rule, err := parseDeviceRule("b 8:* rw")
	if err != nil || rule.Type != "b" || *rule.Major != 8 || rule.Minor != nil || rule.Access != "rw" || !rule.Allow {
		t.Errorf("%+v, %v", rule, err)
	}
}

func TestSpecResources(t *testing.T) {
	device := func(path string) ([]specs.LinuxDevice, error) {
		return []specs.LinuxDevice{{Path: path, Type: "b", Major: 8, Minor: 16}}, nil
	}
	c := &Config{ID: strings.Repeat("a", 64), Cmd: []string{"x"}, Resources: Resources{
		Memory: 64 << 20, NanoCPUs: 15e8, CPUShares: 512, PidsLimit: 9, BlkioWeight: 20,
		DeviceReadBps: []DeviceNumber{{"/dev/sdb", 1000}}, DeviceCgroupRules: []string{"c 10:200 rwm"},
	}}
	c.Resources.Derive()
	s, err := Spec(c, SpecOptions{Device: device})
	if err != nil {
		t.Fatal(err)
	}
	r := s.Linux.Resources
	if *r.Memory.Limit != 64<<20 || *r.Memory.Swap != 128<<20 || *r.CPU.Quota != 150000 || *r.CPU.Period != 100000 || *r.CPU.Shares != 512 ||
		*r.Pids.Limit != 9 || *r.BlockIO.Weight != 20 {
		t.Errorf("%+v", r)
	}
	if d := r.BlockIO.ThrottleReadBpsDevice[0]; d.Major != 8 || d.Minor != 16 || d.Rate != 1000 {
		t.Errorf("%+v", d)
	}
	if last := r.Devices[len(r.Devices)-1]; *last.Major != 10 || *last.Minor != 200 {
		t.Errorf("%+v", last)
	}
	if _, err := Spec(c, SpecOptions{Device: device, Rootless: true}); err == nil {
		t.Error("a device rule of an ordinary user")
	}
	c.Resources = Resources{Memory: 64 << 20, Cgroups: "disabled"}
	if s, err = Spec(c, SpecOptions{}); err != nil || s.Linux.Resources.Memory != nil {
		t.Errorf("disabled: %+v, %v", s.Linux.Resources, err)
	}
}

package cgroups

import (
	"errors"
	"slices"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

func ptr[T any](v T) *T { return &v }

func TestTranslateRefuses(t *testing.T) {
	unified := &Host{Mode: V2}
	for _, c := range []struct {
		name string
		r    specs.LinuxResources
		hint bool
	}{
		{"swappiness", specs.LinuxResources{Memory: &specs.LinuxMemory{Swappiness: ptr(uint64(0))}}, true},
		{"oom-kill-disable", specs.LinuxResources{Memory: &specs.LinuxMemory{DisableOOMKiller: ptr(true)}}, true},
		{"device type", specs.LinuxResources{Devices: []specs.LinuxDeviceCgroup{{Type: "x", Access: "r"}}}, false},
		{"device access", specs.LinuxResources{Devices: []specs.LinuxDeviceCgroup{{Type: "c", Access: "z"}}}, false},
	} {
		_, err := unified.translate(&c.r)
		var own *Error
		if err == nil || errors.As(err, &own) != c.hint {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestTranslate(t *testing.T) {
	r := &specs.LinuxResources{
		Memory:  &specs.LinuxMemory{Limit: ptr(int64(1 << 20)), Swap: ptr(int64(-1))},
		CPU:     &specs.LinuxCPU{Shares: ptr(uint64(1024)), Quota: ptr(int64(50000)), Cpus: "0"},
		Pids:    &specs.LinuxPids{Limit: ptr(int64(7))},
		BlockIO: &specs.LinuxBlockIO{Weight: ptr(uint16(10))},
		Devices: []specs.LinuxDeviceCgroup{{Access: "rwm"}, {Allow: true, Type: "c", Major: ptr(int64(1)), Access: "r"}},
	}
	for _, mode := range []Mode{V1, V2} {
		got, err := (&Host{Mode: mode}).translate(r)
		if err != nil {
			t.Fatal(err)
		}
		if got.Memory != 1<<20 || got.MemorySwap != -1 || *got.PidsLimit != 7 || got.BlkioWeight != 10 || got.CpuQuota != 50000 || got.SkipDevices {
			t.Errorf("%s: %+v", mode, got)
		}
		if weight := got.CpuWeight; (mode == V2) != (weight == 100) {
			t.Errorf("%s: 1024 shares are weight %d", mode, weight)
		}
		if d := got.Devices[1]; d.Type != 'c' || d.Major != 1 || d.Minor != -1 || !d.Allow {
			t.Errorf("%s: device %+v", mode, d)
		}
		if want := []string{"cpu", "cpuset", "io", "memory", "pids"}; !slices.Equal(needs(got), want) {
			t.Errorf("%s needs %v", mode, needs(got))
		}
	}
	none, err := (&Host{Mode: V2}).translate(&specs.LinuxResources{})
	if err != nil || len(needs(none)) > 0 || !none.SkipDevices {
		t.Errorf("nothing asked: %+v, %v", none, err)
	}
}

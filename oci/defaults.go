package oci

import (
	"strconv"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// Docker's defaults: moby daemon/pkg/oci/defaults.go. What they give is in testdata, as config.json files.

const (
	defaultPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	defaultShm  = 64 << 20 // bytes
)

// defaultMounts are the mounts of every container, in their order.
func defaultMounts() []specs.Mount {
	return []specs.Mount{
		{Destination: "/proc", Type: "proc", Source: "proc", Options: []string{"nosuid", "noexec", "nodev"}},
		{Destination: "/dev", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "strictatime", "mode=755", "size=65536k"}},
		{Destination: "/dev/pts", Type: "devpts", Source: "devpts", Options: []string{"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}},
		{Destination: "/sys", Type: "sysfs", Source: "sysfs", Options: []string{"nosuid", "noexec", "nodev", "ro"}},
		{Destination: "/sys/fs/cgroup", Type: "cgroup", Source: "cgroup", Options: []string{"ro", "nosuid", "noexec", "nodev"}},
		{Destination: "/dev/mqueue", Type: "mqueue", Source: "mqueue", Options: []string{"nosuid", "noexec", "nodev"}},
		{Destination: "/dev/shm", Type: "tmpfs", Source: "shm", Options: []string{"nosuid", "noexec", "nodev", "mode=1777"}},
	}
}

// defaultMasked are the paths that a container finds empty. They tell of the host (interrupts and power: GHSA-6fw5-f8r9-fgfm,
// GHSA-jq35-85cj-fj4p) or let it be changed.
func defaultMasked(cpus int) []string {
	masked := []string{
		"/proc/acpi",
		"/proc/asound",
		"/proc/interrupts",
		"/proc/kcore",
		"/proc/keys",
		"/proc/latency_stats",
		"/proc/sched_debug",
		"/proc/scsi",
		"/proc/timer_list",
		"/proc/timer_stats",
		"/sys/devices/virtual/powercap",
		"/sys/firmware",
	}
	for i := range cpus {
		masked = append(masked, "/sys/devices/system/cpu/cpu"+strconv.Itoa(i)+"/thermal_throttle")
	}
	return masked
}

// defaultReadonly are the paths that a container cannot change.
func defaultReadonly() []string {
	return []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"}
}

// deviceRule is a line of the default device cgroup.
type deviceRule struct {
	allow        bool
	major, minor int64
}

// defaultDeviceRules come after "deny all". 10:229 is fuse, which LXC allows.
var defaultDeviceRules = [...]deviceRule{
	{true, 1, 5}, {true, 1, 3}, {true, 1, 9}, {true, 1, 8}, {true, 5, 0}, {true, 5, 1}, {false, 10, 229},
}

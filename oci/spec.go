package oci

import (
	"errors"

	"codeberg.org/hoy/hoy/oci/child"
	"github.com/opencontainers/runtime-spec/specs-go"
)

// SpecOptions is what Spec and Plan must be told of the host and of the places where the container's parts lie: they look nothing up themselves.
type SpecOptions struct {
	Host     Host
	Rootless bool // in the user namespace of an ordinary user

	// The root: an overlay of Lower (top first) under Upper. Config.Rootfs is used when Lower is empty.
	Lower       []string
	Upper, Work string
	Volatile    bool // the upper directory need not survive a power cut (--rm)

	VolumePath func(name string) string // the data directory of a volume
	Etc        map[string]string        // "/etc/hosts", "/etc/hostname", "/etc/resolv.conf" → the host's file to mount there
	NetNSPath  string                   // an existing network namespace to join

	// Seccomp replaces what Config.SecurityOpt says; nil leaves the choice to it.
	Seccomp      *specs.LinuxSeccomp
	SeccompCache string // directory that keeps compiled filters; "" compiles each time

	HostDevices []specs.LinuxDevice                            // --privileged: the nodes of the host's /dev
	Device      func(path string) ([]specs.LinuxDevice, error) // --device: the node at a host path, or those below a directory
}

// Host is what a specification depends on of the machine. The zero value is a plain Linux machine of hoy's own architecture
// without cgroups, on which every capability can be had.
type Host struct {
	Arch     string        // GOARCH; "" is hoy's own
	Kernel   string        // uname -r; "" means new
	Caps     uint64        // the bounding set, a bit a capability; 0 means all that are known
	CPUs     int           // number of CPUs whose thermal_throttle directory is to be masked; 0 where sysfs has none
	TTYGroup bool          // group 5 is mapped: terminals belong to it
	Cgroups  []CgroupMount // what is to be mounted below /sys/fs/cgroup, in order; empty where there is nothing
}

// CgroupMount is one hierarchy below /sys/fs/cgroup: {"", "cgroup2", ""} alone for version 2, else one each for a version 1 hierarchy.
type CgroupMount struct {
	Dir  string // "memory", "cpu,cpuacct"; "" is /sys/fs/cgroup itself
	Type string // "cgroup2" or "cgroup"
	Data string // "memory", "none,name=systemd"
}

var errTodo = errors.New("not written")

// Spec is the OCI runtime specification of c, with Docker's defaults (moby daemon/pkg/oci/defaults.go).
func Spec(c *Config, o SpecOptions) (*specs.Spec, error) { return nil, errTodo }

// Plan compiles a specification for the child. c adds what a specification cannot say (user names, --init) and may be nil.
func Plan(s *specs.Spec, o SpecOptions, c *Config) (*child.Plan, error) { return nil, errTodo }

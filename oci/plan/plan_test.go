package plan

import (
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"codeberg.org/hoy/hoy/oci/child"
)

// bundle is a small specification that can be compiled.
func bundle() *specs.Spec {
	return &specs.Spec{
		Process: &specs.Process{Args: []string{"a"}, Cwd: "/", Capabilities: &specs.LinuxCapabilities{}},
		Root:    &specs.Root{Path: "/bundle/rootfs"},
		Linux:   &specs.Linux{Namespaces: []specs.LinuxNamespace{{Type: "mount"}, {Type: "pid"}}, Sysctl: map[string]string{}},
	}
}

func filter(p *specs.LinuxSeccomp) ([]byte, uint, error) { return make([]byte, 8), 0, nil }

func TestPlanRefuses(t *testing.T) {
	change := func(f func(*specs.Spec)) *specs.Spec {
		s := bundle()
		f(s)
		return s
	}
	for want, f := range map[string]func(*specs.Spec){
		"no command specified":                 func(s *specs.Spec) { s.Process.Args = nil },
		"has no root or is not for Linux":      func(s *specs.Spec) { s.Linux = nil },
		"process.apparmorProfile (this kernel": func(s *specs.Spec) { s.Process.ApparmorProfile = "x" },
		`hook "": the path must be absolute`:   func(s *specs.Spec) { s.Hooks = &specs.Hooks{Poststop: []specs.Hook{{}}} },
		"hook /x: the timeout": func(s *specs.Spec) {
			s.Hooks = &specs.Hooks{CreateRuntime: []specs.Hook{{Path: "/x", Timeout: new(int)}}}
		},
		"uidMappings and gidMappings need a user namespace": func(s *specs.Spec) { s.Linux.UIDMappings = make([]specs.LinuxIDMapping, 1) },
		"a user namespace needs uidMappings and gidMappings": func(s *specs.Spec) {
			s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: "user"})
		},
		"overlap": func(s *specs.Spec) {
			s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: "user"})
			s.Linux.UIDMappings = []specs.LinuxIDMapping{{ContainerID: 0, HostID: 1000, Size: 10}, {ContainerID: 9, HostID: 2000, Size: 1}}
		},
		`namespace "pid" is twice`: func(s *specs.Spec) {
			s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: "pid"})
		},
		`namespace "x" of the specification`: func(s *specs.Spec) { s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: "x"}) },
		"Cwd must be an absolute path":       func(s *specs.Spec) { s.Process.Cwd = "x" },
		"only the clocks": func(s *specs.Spec) {
			s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: "time"})
			s.Linux.TimeOffsets = map[string]specs.LinuxTimeOffset{"realtime": {}}
		},
		"linux.rootfsPropagation needs a mount namespace": func(s *specs.Spec) {
			s.Linux.Namespaces, s.Linux.RootfsPropagation = nil, "shared"
		},
		`rootfsPropagation "x"`: func(s *specs.Spec) { s.Linux.RootfsPropagation = "x" },
		"the mount at /b is no bind": func(s *specs.Spec) {
			s.Mounts = []specs.Mount{{Destination: "/b", Type: "tmpfs", UIDMappings: make([]specs.LinuxIDMapping, 1)}}
		},
		`device /dev/x has the unknown type "z"`: func(s *specs.Spec) { s.Linux.Devices = []specs.LinuxDevice{{Path: "/dev/x", Type: "z"}} },
		"invalid rlimit type: RLIMIT_TEST":       func(s *specs.Spec) { s.Process.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_TEST"}} },
		"invalid rlimit type: CPU":               func(s *specs.Spec) { s.Process.Rlimits = []specs.POSIXRlimit{{Type: "CPU"}} },
		`unknown capability: "CAP_X"`:            func(s *specs.Spec) { s.Process.Capabilities.Bounding = []string{"CAP_X"} },
		"unable to set hostname without": func(s *specs.Spec) {
			s.Hostname, s.Linux.Namespaces = "x", []specs.LinuxNamespace{{Type: "mount"}}
		},
		`sysctl "vm.swappiness" is not in a separate kernel namespace`: func(s *specs.Spec) { s.Linux.Sysctl["vm.swappiness"] = "1" },
		`sysctl "net.x" not allowed in host network namespace`: func(s *specs.Spec) {
			s.Hostname, s.Linux.Namespaces, s.Linux.Sysctl = "", []specs.LinuxNamespace{{Type: "mount"}}, map[string]string{"net.x": "1"}
		},
		`sysctl "kernel.sem" is not allowed in the hosts ipc namespace`: func(s *specs.Spec) {
			s.Hostname, s.Linux.Namespaces, s.Linux.Sysctl = "", []specs.LinuxNamespace{{Type: "mount"}}, map[string]string{"kernel.sem": "1"}
		},
	} {
		if _, err := Compile(change(f), Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// TestPlanOfBundle is the way of `hoy oci`: no Config, numbers for users, the root as a directory.
func TestPlanOfBundle(t *testing.T) {
	mask, height := uint32(0o77), uint(24)
	s := &specs.Spec{
		Process: &specs.Process{Args: []string{"a"}, Cwd: "/", ConsoleSize: &specs.Box{Height: height, Width: 80},
			User: specs.User{UID: 1, GID: 2, AdditionalGids: []uint32{3}, Umask: &mask}},
		Root:   &specs.Root{Path: "/bundle/rootfs"},
		Linux:  &specs.Linux{Namespaces: []specs.LinuxNamespace{{Type: "mount"}, {Type: "time"}, {Type: "pid", Path: "/proc/1/ns/pid"}}, RootfsPropagation: "rslave"},
		Mounts: []specs.Mount{{Destination: "/sys/fs/cgroup", Type: "cgroup", Options: []string{"ro"}}},
	}
	p, err := Compile(s, Options{Host: Host{Cgroups: []CgroupMount{{Type: "cgroup2"}}}, Rootless: true, Filter: filter})
	if err != nil {
		t.Fatal(err)
	}
	if p.IDs.UID != 1 || p.IDs.GID != 2 || *p.Umask != mask || p.Rows != 24 || p.Cols != 80 || p.Rootfs.Bind != "/bundle/rootfs" {
		t.Errorf("got %+v", p)
	}
	if p.Clone != unix.CLONE_NEWNS|unix.CLONE_NEWTIME || len(p.Join) != 1 || p.Propagation != unix.MS_SLAVE|unix.MS_REC {
		t.Errorf("namespaces %#x, %v, propagation %#x", p.Clone, p.Join, p.Propagation)
	}
	// Without a cgroup namespace a user's container must not change the host's tree (CVE-2023-25809), whatever the specification says.
	s.Mounts[0].Options = nil
	p, err = Compile(s, Options{Host: Host{Cgroups: []CgroupMount{{Type: "cgroup2"}}}, Rootless: true, Filter: filter})
	want := child.Mount{Type: "bind", Source: cgroupRoot, Target: cgroupRoot, Flags: unix.MOUNT_ATTR_RDONLY, Recursive: true, Optional: true}
	if err != nil || len(p.Mounts) != 1 || p.Mounts[0] != want {
		t.Errorf("got %+v, %v", p.Mounts, err)
	}
}

package plan

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// FuzzCompile: whatever a config.json holds, it is compiled or refused, and what is compiled can be run.
func FuzzCompile(f *testing.F) {
	for _, change := range []func(*specs.Spec){
		func(*specs.Spec) {},
		func(s *specs.Spec) {
			s.Mounts = []specs.Mount{{Destination: "/proc", Type: "proc"}, {Destination: "/t", Type: "tmpfs", Options: []string{"size=1m", "tmpcopyup", "rro"}},
				{Destination: "/b", Source: "/b", Options: []string{"rbind", "rslave", "idmap"}}, {Destination: "/sys/fs/cgroup", Type: "cgroup", Options: []string{"ro"}}}
		},
		func(s *specs.Spec) {
			s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: "user"}, specs.LinuxNamespace{Type: "time"})
			s.Linux.UIDMappings = []specs.LinuxIDMapping{{HostID: 1000, Size: 10}}
			s.Linux.GIDMappings = s.Linux.UIDMappings
			s.Linux.TimeOffsets = map[string]specs.LinuxTimeOffset{"monotonic": {Secs: -1}}
			s.Hooks = &specs.Hooks{StartContainer: []specs.Hook{{Path: "/h"}}}
			s.Linux.Devices = []specs.LinuxDevice{{Path: "/dev/x", Type: "c", Major: 1, Minor: 3}}
		},
	} {
		s := bundle()
		change(s)
		data, err := json.Marshal(s)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data, false)
		f.Add(data, true)
	}
	host := Host{Cgroups: []CgroupMount{{Dir: "memory", Type: "cgroup", Data: "memory"}}}
	f.Fuzz(func(t *testing.T, data []byte, rootless bool) {
		s := new(specs.Spec)
		if json.Unmarshal(data, s) != nil {
			return
		}
		p, err := Compile(s, Options{Host: host, Rootless: rootless, Filter: filter})
		if err != nil {
			return
		}
		switch {
		case len(p.Args) == 0 || !strings.HasPrefix(p.Cwd, "/"):
			t.Errorf("args %q, cwd %q", p.Args, p.Cwd)
		case p.Clone&unix.CLONE_NEWNS == 0 && len(p.Join) == 0:
			t.Error("no mount namespace")
		case p.Clone&unix.CLONE_NEWUSER != 0:
			t.Error("a user namespace without a map")
		case p.Caps.Ambient&^(p.Caps.Inheritable&p.Caps.Permitted) != 0:
			t.Errorf("capabilities that cannot be raised: %+v", p.Caps)
		}
		for _, kv := range p.Sysctls {
			if strings.Contains(kv.Key, "..") || strings.HasPrefix(kv.Key, "/") {
				t.Errorf("sysctl %q", kv.Key)
			}
		}
	})
}

// FuzzMountOptions: an option is taken once: as an attribute, a word or data.
func FuzzMountOptions(f *testing.F) {
	for _, o := range []string{"", "ro,nosuid,size=64m", "rbind,rro,rslave", "r", "noatime,strictatime,,defaults", "rw,idmap"} {
		f.Add(o)
	}
	f.Fuzz(func(t *testing.T, options string) {
		list := strings.Split(options, ",")
		m := readMountOptions(list)
		if m.set&m.clear&^unix.MOUNT_ATTR__ATIME != 0 {
			t.Errorf("%q: both set and cleared: %#x", options, m.set&m.clear)
		}
		for _, d := range m.data {
			if !slices.Contains(list, d) || d == "ro" || d == "rbind" {
				t.Errorf("%q: data %q", options, d)
			}
		}
	})
}

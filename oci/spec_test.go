package oci

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"codeberg.org/hoy/hoy/oci/plan"
	"github.com/opencontainers/runtime-spec/specs-go"
)

var update = flag.Bool("update", false, "write the golden files of testdata")

// host is the machine of the golden files.
func host() Host {
	return Host{Arch: "amd64", Kernel: "6.18.0", Hostname: "machine", CPUs: 1, TTYGroup: true, Cgroups: []plan.CgroupMount{{Type: "cgroup2"}}}
}

const testID = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

type fixture struct {
	cfg Config
	o   SpecOptions
}

func fixtures() map[string]fixture {
	node := func(path, kind string, major, minor int64) specs.LinuxDevice {
		mode := os.FileMode(0o660)
		return specs.LinuxDevice{Path: path, Type: kind, Major: major, Minor: minor, FileMode: &mode}
	}
	base := Config{Version: ConfigVersion, ID: testID, Name: "web", Cmd: []string{"sh"}, Env: []string{"A=1"}}
	o := SpecOptions{
		Host: host(), Lower: []string{"/layers/2", "/layers/1"}, Upper: "/c/upper", Work: "/c/work",
		Etc: map[string]string{"/etc/hosts": "/run/hosts", "/etc/hostname": "/run/hostname", "/etc/resolv.conf": "/run/resolv.conf"},
	}
	root, rootless, hostnet, privileged := fixture{base, o}, fixture{base, o}, fixture{base, o}, fixture{base, o}
	rootless.o.Rootless, rootless.o.Host.TTYGroup, rootless.cfg.Network = true, false, "none"
	hostnet.cfg.Network, hostnet.cfg.ReadOnly = "host", true
	rootlessHostnet := hostnet
	rootlessHostnet.o.Rootless = true
	privileged.cfg.Privileged, privileged.o.Host.Cgroups = true, []plan.CgroupMount{{Dir: "memory", Type: "cgroup", Data: "memory"}, {Dir: "cpu,cpuacct", Type: "cgroup", Data: "cpu,cpuacct"}}
	privileged.o.HostDevices = []specs.LinuxDevice{node("/dev/null", "c", 1, 3), node("/dev/sda", "b", 8, 0)}
	return map[string]fixture{
		"root": root, "rootless": rootless, "hostnet": hostnet, "rootless-hostnet": rootlessHostnet, "privileged": privileged,
		"full": {fullConfig(base), fullOptions(o, node)},
	}
}

// fullConfig uses what the other fixtures leave alone.
func fullConfig(c Config) Config {
	c.Entrypoint, c.Tty, c.Init, c.ReadOnly, c.ShmSize, c.OomScoreAdj = []string{"/entry"}, true, true, true, 1<<20, 500
	c.User, c.GroupAdd, c.WorkingDir, c.Hostname, c.Domainname = "web:www", []string{"audio"}, "/srv", "own", "lan"
	c.Annotations, c.Sysctls = map[string]string{"k": "v"}, map[string]string{"net.ipv4.ip_unprivileged_port_start": "80", "kernel.sem": "1"}
	c.Ulimits = []Ulimit{{"nofile", 1024, 2048}, {"core", -1, -1}}
	c.CapAdd, c.CapDrop = []string{"NET_ADMIN"}, []string{"ALL"}
	c.SecurityOpt = []string{"no-new-privileges", "seccomp=unconfined", "unmask=/proc/*", "mask=/opt"}
	c.Devices = []Device{{"/dev/fuse", "/dev/fuse", "rwm"}, {"/dev/snd", "/dev/sound", "rw"}}
	c.Mounts = []Mount{
		{Type: MountBind, Source: "/host/deep", Target: "/srv/data/deep", ReadOnly: true, Propagation: "rslave"},
		{Type: MountBind, Source: "/host/hosts", Target: "/etc/hosts"},
		{Type: MountBind, Source: "/host/one", Target: "/one", ReadOnly: true, NonRecursive: true},
		{Type: MountBind, Source: "/host/top", Target: "/top", ReadOnly: true, TopOnly: true},
		{Type: MountVolume, Source: "vol", Target: "/srv/data"},
		{Type: MountVolume, Source: "plain", Target: "/plain", NoCopy: true, ReadOnly: true},
		{Type: MountVolume, Source: "part", Target: "/part", Subpath: "a/b"},
		{Type: MountTmpfs, Target: "/run", Options: []string{"exec", "size=64m"}},
		{Type: MountTmpfs, Target: "/dev/shm", ReadOnly: true},
	}
	return c
}

func fullOptions(o SpecOptions, node func(string, string, int64, int64) specs.LinuxDevice) SpecOptions {
	o.Volatile, o.NetNSPath = true, "/run/netns/x"
	o.VolumePath = func(name string) string { return "/volumes/" + name + "/data" }
	o.Device = func(path string) ([]specs.LinuxDevice, error) {
		if path == "/dev/snd" {
			return []specs.LinuxDevice{node("/dev/snd/seq", "c", 116, 1), node("/dev/snd/timer", "c", 116, 33)}, nil
		}
		return []specs.LinuxDevice{node("/dev/fuse", "c", 10, 229)}, nil
	}
	return o
}

// TestGolden holds specification and plan against files that were read line by line. The default seccomp profile, and the filter
// compiled from it, have tests of their own and are left out of the files.
func TestGolden(t *testing.T) {
	for name, f := range fixtures() {
		s, err := Spec(&f.cfg, f.o)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		plan, err := Plan(s, f.o, &f.cfg)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if unfiltered := name == "privileged" || name == "full"; unfiltered != (s.Linux.Seccomp == nil) || unfiltered != (len(plan.Seccomp) == 0) {
			t.Errorf("%s: a filter of %d bytes", name, len(plan.Seccomp))
		}
		s.Linux.Seccomp, plan.Seccomp = nil, nil
		golden(t, name+".config.json", s)
		golden(t, name+".plan.json", plan)
	}
}

func golden(t *testing.T, name string, value any) {
	t.Helper()
	got, err := json.MarshalIndent(value, "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what is made; see the difference with: go test ./oci -update && git diff", name)
	}
}

func TestSpecRefuses(t *testing.T) {
	broken := errors.New("broken")
	for want, f := range map[string]fixture{
		"no command specified":                        {},
		`invalid CapAdd: unknown capability: "CAP_X"`: {Config{Cmd: []string{"a"}, CapAdd: []string{"x"}}, SpecOptions{}},
		`invalid --security-opt 1: "x"`:               {Config{Cmd: []string{"a"}, SecurityOpt: []string{"x"}}, SpecOptions{}},
		"seccomp profile: no defaultAction":           {Config{Cmd: []string{"a"}, SecurityOpt: []string{"seccomp={}"}}, SpecOptions{}},
		"volume at /v has no place":                   {Config{Cmd: []string{"a"}, Mounts: []Mount{{Type: MountVolume, Target: "/v"}}}, SpecOptions{}},
		"broken":                                      {Config{Cmd: []string{"a"}, Devices: []Device{{"/dev/x", "/dev/x", "r"}}}, SpecOptions{Device: func(string) ([]specs.LinuxDevice, error) { return nil, broken }}},
		"no way to look at device /dev/x":             {Config{Cmd: []string{"a"}, Devices: []Device{{"/dev/x", "/dev/x", "r"}}}, SpecOptions{}},
		"seccomp is not supported on riscv64":         {Config{Cmd: []string{"a"}}, SpecOptions{Host: Host{Arch: "riscv64"}}},
	} {
		if _, err := Spec(&f.cfg, f.o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func TestSeccompChoice(t *testing.T) {
	own := &specs.LinuxSeccomp{DefaultAction: specs.ActLog}
	allow := `seccomp={"defaultAction":"SCMP_ACT_ALLOW"}`
	for _, c := range []struct {
		cfg  Config
		o    SpecOptions
		want specs.LinuxSeccompAction
	}{
		{Config{}, SpecOptions{}, specs.ActErrno},
		{Config{SecurityOpt: []string{"seccomp=builtin"}}, SpecOptions{}, specs.ActErrno},
		{Config{SecurityOpt: []string{"seccomp=unconfined"}}, SpecOptions{}, ""},
		{Config{SecurityOpt: []string{allow}}, SpecOptions{}, specs.ActAllow},
		{Config{Privileged: true}, SpecOptions{}, ""},
		{Config{Privileged: true, SecurityOpt: []string{allow}}, SpecOptions{}, specs.ActAllow},
		{Config{Privileged: true}, SpecOptions{Seccomp: own}, specs.ActLog},
	} {
		p, err := c.cfg.seccompProfile(nil, c.o)
		if err != nil || (p == nil) != (c.want == "") || p != nil && p.DefaultAction != c.want {
			t.Errorf("%+v: got %+v, %v", c.cfg, p, err)
		}
	}
	for arch, want := range map[string]bool{"amd64": true, "386": false} {
		p, err := (&Config{}).seccompProfile(nil, SpecOptions{ImageArch: arch})
		guarded := slices.ContainsFunc(p.Syscalls, func(s specs.LinuxSyscall) bool {
			return slices.Contains(s.Names, "socketcall") && len(s.Args) > 0
		})
		if err != nil || guarded != want {
			t.Errorf("%s: socketcall guarded: %v, %v", arch, guarded, err)
		}
	}
}

func TestModes(t *testing.T) {
	mount := func(s *specs.Spec, target string) *specs.Mount {
		i := slices.IndexFunc(s.Mounts, func(m specs.Mount) bool { return m.Destination == target })
		if i < 0 {
			return nil
		}
		return &s.Mounts[i]
	}
	spec := func(c Config, o SpecOptions) *specs.Spec {
		c.Cmd, c.ID = []string{"a"}, testID
		s, err := Spec(&c, o)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := spec(Config{PidMode: "host", IpcMode: "host", UTSMode: "host", CgroupnsMod: "host"}, SpecOptions{Rootless: true, Host: host()})
	if len(s.Linux.Namespaces) != 2 || s.Hostname != "" {
		t.Errorf("namespaces %v, host name %q", s.Linux.Namespaces, s.Hostname)
	}
	for _, target := range []string{"/proc", "/dev/shm", "/dev/mqueue"} {
		if m := mount(s, target); m == nil || m.Type != "bind" || m.Source != target {
			t.Errorf("%s: %+v", target, m)
		}
	}
	if m := mount(spec(Config{IpcMode: "none"}, SpecOptions{}), "/dev/shm"); m != nil {
		t.Errorf("/dev/shm with --ipc none: %+v", m)
	}
	if m := mount(spec(Config{}, SpecOptions{}), "/sys/fs/cgroup"); m != nil {
		t.Errorf("control groups on a host without: %+v", m)
	}
	if m := mount(spec(Config{SecurityOpt: []string{"writable-cgroups"}}, SpecOptions{Host: host()}), "/sys/fs/cgroup"); slices.Contains(m.Options, "ro") {
		t.Errorf("writable control groups: %+v", m)
	}
	dev := spec(Config{Mounts: []Mount{{Type: MountBind, Source: "/dev", Target: "/dev"}}}, SpecOptions{})
	if mount(dev, "/dev/pts") != nil || mount(dev, "/dev/shm") != nil || mount(dev, "/dev").Source != "/dev" {
		t.Errorf("the user's /dev: %+v", dev.Mounts)
	}
	if p, err := plan.Compile(dev, plan.Options{Filter: func(*specs.LinuxSeccomp) ([]byte, uint, error) { return nil, 0, nil }}); err != nil || len(p.Devices) != 0 {
		t.Errorf("devices on the user's /dev: %v, %v", p.Devices, err)
	}
}

func BenchmarkSpecPlan(b *testing.B) {
	f := fixtures()["root"]
	f.o.SeccompCache = b.TempDir()
	for b.Loop() {
		s, err := Spec(&f.cfg, f.o)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := Plan(s, f.o, &f.cfg); err != nil {
			b.Fatal(err)
		}
	}
}

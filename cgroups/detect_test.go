package cgroups

import (
	"maps"
	"os"
	"path/filepath"
	"testing"

	"codeberg.org/hoy/hoy/cgroups/group"
)

func TestParseMounts(t *testing.T) {
	for _, c := range []struct {
		name, mounts string
		want         map[string]string
	}{
		{"nothing", "tmpfs /sys/fs/cgroup tmpfs rw 0 0\n", map[string]string{}},
		{"named only", "cgroup /sys/fs/cgroup/systemd cgroup rw,name=systemd 0 0\n", map[string]string{}},
		{"elsewhere", "cgroup /mnt/x/memory cgroup rw,memory 0 0\n", map[string]string{}},
		{"unified", "cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n", map[string]string{}},
		{"together", "cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,nosuid,cpu,cpuacct 0 0\n",
			map[string]string{"cpu,cpuacct": "/sys/fs/cgroup/cpu,cpuacct"}},
		{"twice", "cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0\ncgroup /sys/fs/cgroup/m2 cgroup rw,memory 0 0\n",
			map[string]string{"memory": "/sys/fs/cgroup/memory"}},
	} {
		if got := group.Hierarchies(c.mounts); !maps.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestDelegatedUnitOfAContainer(t *testing.T) {
	for _, own := range []string{"", root, root + "/hoy-" + "0123.scope/hoy", root + "/user.slice/no-such.service"} {
		if unit, ok := delegatedUnit(own); ok {
			t.Errorf("%q: %s is not delegated to anybody", own, unit)
		}
	}
}

func TestWritable(t *testing.T) {
	dir := t.TempDir()
	if writable(dir) {
		t.Error("a directory without the files of a group")
	}
	for _, name := range []string{"cgroup.procs", "cgroup.subtree_control"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if !writable(dir) {
		t.Error("a directory with them")
	}
}

func TestDetectRootless(t *testing.T) {
	h := Detect(Options{Rootless: true, UID: 1000})
	if h.Mode == V1 || h.Mode == V2 {
		t.Errorf("mode %s for an ordinary user", h.Mode)
	}
	if (h.Mode == None) != (h.Why() != nil) {
		t.Errorf("mode %s, why %v", h.Mode, h.Why())
	}
}

func TestBelow(t *testing.T) {
	const dir = root + "/user.slice/user-1000.slice/user@1000.service/app.slice/hoy-1.scope/container"
	if got := userSliceOf(dir); filepath.Base(got) != "app.slice" {
		t.Errorf("userSliceOf = %s", got)
	}
	if !below("/a/b", "/a") || !below("/a", "/a") || below("/ab", "/a") {
		t.Error("below")
	}
}

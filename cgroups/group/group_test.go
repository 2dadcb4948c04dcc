package group

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// fake is a group whose directories are ordinary ones.
func fake(t *testing.T, unified bool, files map[string]string) *Group {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "g")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if unified {
		return &Group{Unified: true, Dirs: map[string]string{"": dir}}
	}
	return &Group{Dirs: map[string]string{"cpu,cpuacct": dir, "memory": dir, "freezer": dir}}
}

func TestOOMKills(t *testing.T) {
	for _, c := range []struct {
		unified    bool
		file, text string
		want       uint64
	}{
		{true, "memory.events", "", 0},
		{true, "memory.events", "low 0\noom 3\noom_kill 0\noom_group_kill 0\n", 0},
		{true, "memory.events", "oom 3\noom_kill 2\n", 2},
		{true, "memory.oom_control", "oom_kill 2\n", 0},
		{false, "memory.oom_control", "oom_kill_disable 1\nunder_oom 1\noom_kill 0\n", 0},
		{false, "memory.oom_control", "under_oom 0\noom_kill 1\n", 1},
	} {
		if got := fake(t, c.unified, map[string]string{c.file: c.text}).OOMKills(); got != c.want {
			t.Errorf("%s %q: %d", c.file, c.text, got)
		}
	}
}

func TestFrozen(t *testing.T) {
	for _, c := range []struct {
		unified    bool
		file, text string
		want       bool
	}{
		{true, "cgroup.events", "populated 1\nfrozen 0\n", false},
		{true, "cgroup.events", "populated 1\nfrozen 1\n", true},
		{false, "freezer.state", "FREEZING\n", false},
		{false, "freezer.state", "FROZEN\n", true},
		{false, "other", "", false},
	} {
		if got := fake(t, c.unified, map[string]string{c.file: c.text}).Frozen(); got != c.want {
			t.Errorf("%s %q: %v", c.file, c.text, got)
		}
	}
}

func TestDir(t *testing.T) {
	g := &Group{Dirs: map[string]string{"cpu,cpuacct": "/a", "memory": "/b"}}
	for controller, want := range map[string]string{"cpu": "/a", "cpuacct": "/a", "memory": "/b", "pids": "", "cpu,cpuacct": ""} {
		if got := g.Dir(controller); got != want {
			t.Errorf("%s: %q, want %q", controller, got, want)
		}
	}
	procs, dir, err := g.Enter()
	if want := []string{"/a/cgroup.procs", "/b/cgroup.procs"}; !slices.Equal(procs, want) || dir != nil || err != nil {
		t.Errorf("enter: %v %v %v", procs, dir, err)
	}
}

func TestPids(t *testing.T) {
	g := fake(t, true, map[string]string{"cgroup.procs": "12\n0\n7\n"})
	if err := os.Mkdir(g.Dir("")+"/inner", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(g.Dir("")+"/inner/cgroup.procs", []byte("40\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	pids, err := g.Pids()
	if want := []int{12, 7, 40}; !slices.Equal(pids, want) || err != nil {
		t.Errorf("%v, %v", pids, err)
	}
	if err := os.WriteFile(g.Dir("")+"/cgroup.procs", []byte("x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := g.Pids(); err == nil {
		t.Error("no error for what is no pid")
	}
}

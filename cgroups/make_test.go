package cgroups

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"codeberg.org/hoy/hoy/cgroups/group"
)

// testHost is the host of a test that makes groups; it needs root and cgroups that can be written.
func testHost(t *testing.T) *Host {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	h := Detect(Options{})
	if h.Mode != V1 && h.Mode != V2 {
		t.Skipf("mode %s: %v", h.Mode, h.Why())
	}
	return h
}

// options are those of a container of the test's own.
func options(t *testing.T, r specs.LinuxResources) MakeOptions {
	id := strings.Repeat("0", 48) + "hoytest" + strconv.Itoa(os.Getpid())
	return MakeOptions{ID: id, Parent: "/hoytest-" + strconv.Itoa(os.Getpid()), Resources: &r, Record: func(g *group.Group) error {
		t.Cleanup(func() {
			g.Remove()
			for _, dir := range g.Dirs {
				os.Remove(filepath.Dir(dir))
			}
		})
		return nil
	}}
}

func TestMake(t *testing.T) {
	h := testHost(t)
	g, err := h.Make(options(t, specs.LinuxResources{
		Memory: &specs.LinuxMemory{Limit: ptr(int64(64 << 20)), Swap: ptr(int64(128 << 20))},
		CPU:    &specs.LinuxCPU{Quota: ptr(int64(50000)), Period: ptr(uint64(100000)), Cpus: "0"},
		Pids:   &specs.LinuxPids{Limit: ptr(int64(20))},
	}))
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Settle(); err != nil {
		t.Fatal(err)
	}
	sleep := member(t, g)
	pids, err := g.Pids()
	if err != nil || len(pids) != 1 || pids[0] != sleep.Process.Pid {
		t.Errorf("pids %v, %v", pids, err)
	}
	s, err := Stat(g)
	if err != nil || s.MemoryLimit != 64<<20 || s.PidsLimit != 20 || s.Pids != 1 {
		t.Errorf("stats %+v, %v", s, err)
	}
	if err := h.Update(g, &specs.LinuxResources{Pids: &specs.LinuxPids{Limit: ptr(int64(30))}}); err != nil {
		t.Error(err)
	}
	if s, err := Stat(g); err != nil || s.PidsLimit != 30 || s.MemoryLimit != 64<<20 {
		t.Errorf("updated: %+v, %v", s, err)
	}
	for _, frozen := range []bool{true, false} {
		if err := Freeze(g, frozen); err != nil || g.Frozen() != frozen {
			t.Errorf("frozen %v, want %v: %v", g.Frozen(), frozen, err)
		}
	}
	Freeze(g, true)
	if err := g.Remove(); err != nil { // a paused container can be removed
		t.Error(err)
	}
	sleep.Wait()
	for _, dir := range g.Dirs {
		if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: %v", dir, err)
		}
	}
	if g.OOMKills() > 0 || g.Frozen() {
		t.Error("a group that is gone")
	}
}

// member is a process in the group.
func member(t *testing.T, g *group.Group) *exec.Cmd {
	t.Helper()
	procs, dir, err := g.Enter()
	if err != nil {
		t.Fatal(err)
	}
	if dir != nil {
		defer dir.Close()
		procs = []string{filepath.Join(dir.Name(), "cgroup.procs")}
	}
	cmd := exec.Command("sleep", "100")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	for _, file := range procs {
		if err := os.WriteFile(file, []byte(strconv.Itoa(cmd.Process.Pid)), 0); err != nil {
			t.Fatal(err)
		}
	}
	return cmd
}

func TestMakeRefused(t *testing.T) {
	h := testHost(t)
	for name, r := range map[string]specs.LinuxResources{
		"no such CPU":  {CPU: &specs.LinuxCPU{Cpus: "4000"}},
		"small period": {CPU: &specs.LinuxCPU{Period: ptr(uint64(1))}},
	} {
		var made *group.Group
		o := options(t, r)
		o.Record = func(g *group.Group) error { made = g; return nil }
		if _, err := h.Make(o); err == nil {
			t.Errorf("%s: no error", name)
		}
		for _, dir := range made.Dirs {
			if _, err := os.Stat(dir); err == nil {
				t.Errorf("%s: %s is left", name, dir)
			}
			os.Remove(filepath.Dir(dir))
		}
	}
}

func TestGather(t *testing.T) {
	h := testHost(t)
	sleep := exec.Command("sleep", "100")
	if err := sleep.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sleep.Process.Kill(); sleep.Wait() })
	o := options(t, specs.LinuxResources{})
	g, err := h.Gather(o, func() ([]int, error) { return []int{sleep.Process.Pid}, nil })
	if err != nil {
		t.Fatal(err)
	}
	if pids, err := g.Pids(); err != nil || len(pids) != 1 {
		t.Errorf("%v, %v", pids, err)
	}
	if err := Freeze(g, true); err != nil || !g.Frozen() {
		t.Errorf("frozen %v: %v", g.Frozen(), err)
	}
}

func TestNoGroup(t *testing.T) {
	var g *group.Group
	if g.OOMKills() > 0 || g.Frozen() || g.Remove() != nil {
		t.Error("no group is no group")
	}
	if _, err := Stat(g); !errors.Is(err, ErrNoGroup) {
		t.Error(err)
	}
	if err := Freeze(g, true); !errors.Is(err, ErrNoGroup) {
		t.Error(err)
	}
	if procs, dir, err := g.Enter(); len(procs) > 0 || dir != nil || err != nil {
		t.Error(procs, dir, err)
	}
}

func TestScopeName(t *testing.T) {
	for path, want := range map[string]string{
		"":                    "system.slice hoy-c1.scope",
		"a.slice:p:n":         "a.slice p-n.scope",
		":p:n":                "system.slice p-n.scope",
		"a.slice::n":          "a.slice n.scope",
		"/a/b":                "!",
		"a.slice:p:":          "!",
		"a:p:n":               "!",
		"../../x.slice:p:n":   "!",
		"machine.slice:a:b:c": "!",
	} {
		slice, unit, err := scopeName(BundleOptions{ID: "c1", Path: path}, false)
		if got := slice + " " + unit; err == nil && got != want || (err != nil) != (want == "!") {
			t.Errorf("%q: %s, %v", path, got, err)
		}
	}
}

func TestGroupPath(t *testing.T) {
	for _, c := range []struct{ own, path, want string }{
		{"/own", "", "/m/own/c1"}, {"/own", "/a/b", "/m/a/b"}, {"/own", "a/b", "/m/own/a/b"}, {"/", "../../a", "/m/a"}, {"/own", "/../../a", "/m/a"},
	} {
		if got := groupPath("/m", c.own, BundleOptions{ID: "c1", Path: c.path}); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}

package cgroups

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// unused is a rule that no container of anybody's has, so that the test's group is its own.
func unused() []specs.LinuxDeviceCgroup {
	return []specs.LinuxDeviceCgroup{{Access: "rwm"}, {Allow: true, Type: "c", Major: ptr(int64(os.Getpid())), Access: "r"}}
}

func TestGuard(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	r := &specs.LinuxResources{Devices: unused()}
	dir, err := Guard(r)
	if err != nil {
		t.Fatal(err)
	}
	if dir == "" {
		t.Skip("version 2 of control groups is not to be had here")
	}
	t.Cleanup(func() { os.Remove(dir) })
	if again, err := Guard(r); again != dir || err != nil {
		t.Errorf("the second time: %s, %v", again, err)
	}
	f, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	node := filepath.Join(t.TempDir(), "node")
	if err := syscall.Mknod(node, syscall.S_IFCHR|0o666, 10<<8|232); err != nil { // any device that is not a default one
		t.Skip(err)
	}
	cmd := exec.Command("head", "-c", "0", node)
	cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(f.Fd())}
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "not permitted") {
		t.Errorf("a node was opened: %s %v", out, err)
	}
}

func TestGuardOfNothing(t *testing.T) {
	for _, rules := range [][]specs.LinuxDeviceCgroup{nil, {{Allow: true, Access: "rwm"}}} {
		if dir, err := Guard(&specs.LinuxResources{Devices: rules}); dir != "" || err != nil {
			t.Errorf("%v: %s, %v", rules, dir, err)
		}
	}
	if dir := GuardOf("self"); dir != "" {
		t.Error(dir)
	}
}

package group

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// Controllers are those of version 1 that a container's groups are made for. With devices and freezer there is what version 2 has by itself.
var Controllers = []string{"blkio", "cpu", "cpuacct", "cpuset", "devices", "freezer", "hugetlb", "memory", "net_cls", "net_prio", "pids", "rdma"}

// Hierarchies finds the version 1 hierarchies of the controllers in proc_pid_mounts(5): controllers ("cpu,cpuacct") → where they are mounted. Each counts where it was mounted first.
func Hierarchies(mounts string) map[string]string {
	found := map[string]string{}
	for line := range strings.Lines(mounts) {
		words := strings.Fields(line)
		if len(words) < 4 || words[2] != "cgroup" || path.Dir(words[1]) != root {
			continue
		}
		var names []string
		for _, option := range strings.Split(words[3], ",") {
			if slices.Contains(Controllers, option) {
				names = append(names, option)
			}
		}
		key := strings.Join(names, ",")
		if _, known := found[key]; key != "" && !known {
			found[key] = words[1]
		}
	}
	return found
}

// At names the groups of version 1 at a path, which is runc's: an absolute one is below the mount, any other below the caller's own group.
func At(mounts map[string]string, name string) (*Group, error) {
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil, err
	}
	g := &Group{Version: Version, Dirs: map[string]string{}}
	for names, mount := range mounts {
		above := mount
		if !path.IsAbs(name) {
			above = path.Join(mount, ownIn(string(own), names))
		}
		g.Dirs[names] = path.Join(above, path.Join("/", name))
	}
	return g, nil
}

// ownIn finds the path of the hierarchy with these controllers in /proc/self/cgroup.
func ownIn(own, names string) string {
	first, _, _ := strings.Cut(names, ",")
	for line := range strings.Lines(own) {
		words := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(words) == 3 && slices.Contains(strings.Split(words[1], ","), first) {
			return words[2]
		}
	}
	return ""
}

// MakeDirs makes the directories of version 1 and what is missing above them. fresh is whether all of them are new.
func (g *Group) MakeDirs() (fresh bool, err error) {
	fresh = true
	for _, dir := range g.list() {
		err := syscall.Mkdir(dir, 0o755)
		if err == syscall.ENOENT {
			if err = os.MkdirAll(path.Dir(dir), 0o755); err == nil {
				err = syscall.Mkdir(dir, 0o755)
			}
		}
		if errors.Is(err, syscall.EEXIST) {
			fresh, err = false, nil
		}
		if err != nil {
			return false, fmt.Errorf("make control group %s: %w", dir, err)
		}
	}
	if dir := g.Dir("cpuset"); dir != "" {
		return fresh, inheritCPUs(dir)
	}
	return fresh, nil
}

// inheritCPUs gives a group, and those above it, the CPUs and the memory of what is above them, without which nobody can enter it (cpuset(7)).
func inheritCPUs(dir string) error {
	for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
		if _, err := inherit(dir, file); err != nil {
			return fmt.Errorf("control group %s: %w", dir, err)
		}
	}
	return nil
}

func inherit(dir, file string) ([]byte, error) {
	value, err := os.ReadFile(path.Join(dir, file))
	if err != nil || len(bytes.TrimSpace(value)) > 0 || len(dir) <= len(root) {
		return value, err
	}
	if value, err = inherit(path.Dir(dir), file); err == nil {
		err = os.WriteFile(path.Join(dir, file), value, 0)
	}
	return value, err
}

// AlwaysAllowed are the rules that every runtime adds to a device filter: any node may be made, and the default devices and terminals be opened.
// Source: runtime-spec, config-linux.md, Default Devices; runc, libcontainer/specconv, AllowedDevices.
func AlwaysAllowed() []specs.LinuxDeviceCgroup {
	rules := []specs.LinuxDeviceCgroup{{Allow: true, Type: "c", Access: "m"}, {Allow: true, Type: "b", Access: "m"}}
	for _, number := range [][2]int64{{1, 3}, {1, 5}, {1, 7}, {1, 8}, {1, 9}, {5, 0}, {5, 2}, {136, -1}} {
		rules = append(rules, specs.LinuxDeviceCgroup{Allow: true, Type: "c", Major: &number[0], Minor: &number[1], Access: "rwm"})
	}
	return rules
}

// Limit writes limits, pairs of a file, which begins with its controller's name, and a text, in order.
func (g *Group) Limit(list [][2]string) error {
	for _, w := range list {
		if err := os.WriteFile(path.Join(g.DirOf(w[0]), w[0]), []byte(w[1]), 0); err != nil {
			return err
		}
	}
	return nil
}

// DirOf is the directory that a file is in, "" when there is none.
func (g *Group) DirOf(file string) string {
	controller, _, _ := strings.Cut(file, ".")
	return g.Dir(controller)
}

// headroom is more threads than hoy has in a container before its command runs.
const headroom = 64

// DelayPids puts a small limit of processes off until hoy's own threads in the container are gone: it says whether it has.
func (g *Group) DelayPids(limit int64) bool {
	if limit <= 0 || limit >= headroom {
		return false
	}
	g.Late = map[string]string{path.Join(g.Dir("pids"), "pids.max"): strconv.FormatInt(limit, 10)}
	return true
}

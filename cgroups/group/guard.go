package group

import (
	"fmt"
	"hash/fnv"
	"os"
	"path"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// GuardPrefix begins the names of the groups that hold a device filter and nothing else.
const GuardPrefix = "hoy-devices-"

// GuardMark is the attribute of a group whose filter is in place: making the group and attaching the filter are two steps.
const GuardMark = "trusted.hoy.filter"

// root is where systemd, and everybody after it, mounts control groups.
const root = "/sys/fs/cgroup"

// UnifiedOf is the version 2 group of a process, "self" or its number, where version 2 is mounted, also beside version 1; else "".
func UnifiedOf(pid string) string {
	data, err := os.ReadFile("/proc/" + pid + "/cgroup")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(data)) {
		name, ok := strings.CutPrefix(strings.TrimSpace(line), "0::")
		if !ok || strings.HasPrefix(name, "/..") {
			continue
		}
		for _, mount := range []string{root, root + "/unified"} {
			var st unix.Statfs_t
			if unix.Statfs(mount, &st) == nil && st.Type == unix.CGROUP2_SUPER_MAGIC {
				return path.Join(mount, name)
			}
		}
	}
	return ""
}

// GuardDir is the group below own whose device filter is that of the rules, and whether that is in place.
func GuardDir(own string, rules []byte) (dir string, ready bool) {
	h := fnv.New128a()
	h.Write(rules)
	return guardDir(own, fmt.Sprintf("%x", h.Sum(nil)))
}

func guardDir(own, sum string) (dir string, ready bool) {
	dir = path.Join(own, GuardPrefix+sum)
	_, err := unix.Getxattr(dir, GuardMark, make([]byte, 1))
	return dir, err == nil
}

// defaultRules is the sum of the device rules of a container to which no devices were given. A test of package engine holds it against those.
const defaultRules = "0911ba679b61593aaaf27ecc30c91934"

// DefaultGuard is GuardDir for a container to which no devices were given.
func DefaultGuard(own string) (dir string, ready bool) { return guardDir(own, defaultRules) }

// Below is a group of that name below one that filters devices: it filters for those below it too.
func Below(guard, name string) *Group {
	return &Group{Version: Version, Unified: true, Dirs: map[string]string{"": path.Join(guard, name)}}
}

// MakeDir makes the directory of a version 2 group without limits.
func (g *Group) MakeDir() error {
	if err := syscall.Mkdir(g.Dirs[""], 0o755); err != nil && err != syscall.EEXIST {
		return fmt.Errorf("make control group %s: %w", g.Dirs[""], err)
	}
	return nil
}

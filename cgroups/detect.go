package cgroups

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"codeberg.org/hoy/hoy/cgroups/group"
)

// root is where systemd, and everybody after it, mounts control groups.
const root = "/sys/fs/cgroup"

// Detect finds out how the user makes control groups on this machine.
func Detect(o Options) *Host {
	h := &Host{o: o}
	h.Mode = h.detect()
	return h
}

func (h *Host) detect() Mode {
	var st unix.Statfs_t
	if err := unix.Statfs(root, &st); err != nil {
		return h.none("no control groups: "+root+" cannot be looked at", goWithout)
	}
	if st.Type == unix.CGROUP2_SUPER_MAGIC {
		return h.detectUnified()
	}
	data, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return h.none("no control groups: /proc/self/mounts cannot be read", goWithout)
	}
	h.mounts = group.Hierarchies(string(data))
	switch {
	case len(h.mounts) == 0:
		return h.none("no control groups: none are mounted at "+root, or("mount -t cgroup2 none "+root))
	case h.o.Rootless:
		return h.none("control groups version 1 cannot be delegated to ordinary users",
			or("run hoy as root, or boot with systemd.unified_cgroup_hierarchy=1"))
	case h.o.Split:
		return h.none("--cgroups=split needs control groups version 2", or("leave --cgroups=split out"))
	}
	for _, dir := range h.mounts {
		if unix.Access(dir, unix.W_OK) != nil {
			return h.none("control groups cannot be made: "+dir+" is read-only", goWithout)
		}
	}
	return V1
}

func (h *Host) none(what, fix string) Mode {
	h.why = &Error{What: what, Fix: fix}
	return None
}

// detectUnified prefers what somebody has delegated to the caller: its own unit, then a service manager that makes units for it.
func (h *Host) detectUnified() Mode {
	own := ownGroup()
	if unit, ok := delegatedUnit(own); ok {
		h.dir = unit
		return Own
	}
	if h.o.Split {
		return h.none("--cgroups=split needs a unit of its own with Delegate=yes", or("add Delegate=yes to the [Service] section of the unit"))
	}
	if socket := h.managerSocket(); socket != "" {
		h.bus = socket
		return Scope
	}
	switch {
	case isRootGroup() && unix.Access(root, unix.W_OK) == nil && !h.o.Rootless:
		h.dir = filepath.Join(root, "hoy")
		return V2
	case own != "" && writable(own):
		h.dir = own
		return Own
	case h.o.Rootless:
		return h.none("there is no user service manager to delegate control groups to this user",
			or("log in through PAM and systemd-logind, or sudo loginctl enable-linger $USER, and install dbus-user-session"))
	}
	return h.none("control groups cannot be made: "+root+" is read-only", goWithout)
}

// isRootGroup says whether what is mounted is the whole hierarchy, not that of a cgroup namespace: only the root has no type.
func isRootGroup() bool {
	_, err := os.Stat(root + "/cgroup.type")
	return os.IsNotExist(err)
}

func ownGroup() string { return groupOf("self") }

// groupOf is the directory of a process's version 2 group, "" when it is outside of what is mounted.
func groupOf(pid string) string {
	data, err := os.ReadFile("/proc/" + pid + "/cgroup")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(data)) {
		path, ok := strings.CutPrefix(strings.TrimSpace(line), "0::")
		if ok && !strings.HasPrefix(path, "/..") {
			return filepath.Join(root, path)
		}
	}
	return ""
}

// delegatedUnit gives the group of the unit that the caller is in, when it is the caller's to divide: systemd marks those with Delegate=yes.
// The caller may be in a group that hoy, or DelegateSubgroup=, made in the unit. Scopes of containers are not counted: they are one container's.
// Source: systemd, docs/CGROUP_DELEGATION.md; systemd.exec(5).
func delegatedUnit(own string) (string, bool) {
	if own == "" {
		return "", false
	}
	unit := own
	for !isUnit(filepath.Base(unit)) {
		if unit = filepath.Dir(unit); len(unit) <= len(root) {
			return "", false
		}
	}
	if strings.HasPrefix(filepath.Base(unit), scopePrefix) {
		return "", false
	}
	return unit, marked(unit) && writable(unit)
}

func isUnit(name string) bool {
	return slices.Contains([]string{".service", ".scope", ".slice"}, filepath.Ext(name))
}

// marked says whether systemd has delegated a group. Both marks are needed: an ordinary user cannot read the trusted one, and systemd before 251
// sets no other.
func marked(dir string) bool {
	for _, name := range []string{"user.delegate", "trusted.delegate"} {
		value := make([]byte, 8)
		if n, err := unix.Getxattr(dir, name, value); err == nil {
			return string(value[:n]) == "1"
		}
	}
	return false
}

// writable says whether the caller may make groups in dir and give them controllers.
func writable(dir string) bool {
	for _, file := range []string{"", "cgroup.procs", "cgroup.subtree_control"} {
		if unix.Access(filepath.Join(dir, file), unix.W_OK) != nil {
			return false
		}
	}
	return true
}

// managerSocket is the socket of the service manager that makes units for the caller, "" when there is none. It is systemd's own, so that no bus
// daemon is needed.
func (h *Host) managerSocket() string {
	if _, err := os.Stat("/run/systemd/system"); err != nil { // sd_booted(3)
		return ""
	}
	candidates := []string{"/run/systemd/private"}
	if h.o.Rootless {
		candidates = []string{filepath.Join(os.Getenv("XDG_RUNTIME_DIR"), "systemd/private"), userSocket(h.o.UID)}
	}
	for _, path := range candidates {
		if unix.Access(path, unix.W_OK) == nil {
			return path
		}
	}
	return ""
}

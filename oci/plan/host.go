package plan

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"codeberg.org/hoy/hoy/oci/userns"
)

// Host is what a specification depends on of the machine. The zero value is a plain Linux machine of hoy's own architecture
// without cgroups, on which every capability can be had.
type Host struct {
	Arch     string         // GOARCH; "" is hoy's own
	Kernel   string         // uname -r; "" means new
	Hostname string         // the name of containers on the host's network
	Caps     uint64         // the bounding set, a bit a capability; 0 means all that are known
	CPUs     int            // number of CPUs whose thermal_throttle directory is to be masked; 0 where sysfs has none
	Groups   []userns.Range // rootless: those of the user namespace; nil where they are not known
	TTYGroup bool           // rootless: group 5 is mapped, so that terminals can belong to it
	AppArmor bool           // the kernel has it, and it is on
	Confines bool           // Docker's AppArmor profile is loaded
	SELinux  bool           // likewise
	Cgroups  []CgroupMount  // what is to be mounted below /sys/fs/cgroup, in order; empty where there is nothing
}

// CgroupMount is one hierarchy below /sys/fs/cgroup: {"", "cgroup2", ""} alone for version 2, else one for each name under
// which a version 1 hierarchy is to be found.
type CgroupMount struct {
	Dir  string // "memory", "cpu,cpuacct"; "" is /sys/fs/cgroup itself
	Type string // "cgroup2" or "cgroup"
	Data string // "memory", "none,name=systemd"
}

// ReadHost reads what a container's specification depends on of the machine.
func ReadHost(rootless bool) (Host, error) {
	var h Host
	var uname unix.Utsname
	if err := unix.Uname(&uname); err != nil {
		return h, fmt.Errorf("uname: %w", err)
	}
	h.Kernel = unix.ByteSliceToString(uname.Release[:])
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return h, err
	}
	h.Caps = BoundingSet(status)
	h.TTYGroup = !rootless || MapsGroup(5)
	if groups, err := os.ReadFile("/proc/self/gid_map"); err == nil && rootless {
		if h.Groups, err = userns.ParseRanges(string(groups)); err != nil {
			return h, fmt.Errorf("/proc/self/gid_map: %w", err)
		}
	}
	h.CPUs = throttledCPUs()
	h.Cgroups = cgroupMounts(rootless)
	h.AppArmor = appArmor()
	h.Confines = h.AppArmor && loaded(DockerProfile)
	h.SELinux = unix.Access("/sys/fs/selinux/enforce", unix.F_OK) == nil
	return h, nil
}

// appArmor says whether the kernel's module is on.
func appArmor() bool {
	on, err := os.ReadFile("/sys/module/apparmor/parameters/enabled")
	return err == nil && len(on) > 0 && on[0] == 'Y'
}

// DockerProfile is the AppArmor profile that dockerd loads for its containers. hoy has no compiler for profiles, and takes it where it is.
const DockerProfile = "docker-default"

// loaded says whether a profile is there and enforced. Ordinary users may not ask.
func loaded(profile string) bool {
	list, err := os.ReadFile("/sys/kernel/security/apparmor/profiles")
	return err == nil && strings.Contains("\n"+string(list), "\n"+profile+" (enforce)\n")
}

// BoundingSet finds the line CapBnd of proc_pid_status(5).
func BoundingSet(status []byte) uint64 {
	_, rest, _ := bytes.Cut(status, []byte("\nCapBnd:\t"))
	digits, _, _ := bytes.Cut(rest, []byte("\n"))
	set, err := strconv.ParseUint(string(digits), 16, 64)
	if err != nil {
		return 0
	}
	return set
}

// MapsGroup says whether a group of the user namespace is mapped.
func MapsGroup(gid uint64) bool {
	data, err := os.ReadFile("/proc/self/gid_map")
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(data)) {
		var inside, outside, count uint64
		if n, _ := fmt.Sscan(line, &inside, &outside, &count); n == 3 && inside <= gid && gid < inside+count {
			return true
		}
	}
	return false
}

// throttledCPUs counts the CPUs that have a thermal_throttle directory, which is to be masked.
func throttledCPUs() int {
	const cpus = "/sys/devices/system/cpu"
	if _, err := os.Stat(cpus + "/cpu0/thermal_throttle"); err != nil {
		return 0
	}
	n := 1
	for ; ; n++ {
		if _, err := os.Stat(cpus + "/cpu" + strconv.Itoa(n)); err != nil {
			return n
		}
	}
}

// cgroupMounts are the hierarchies to mount in a container. Version 1 cannot be mounted in a user namespace.
func cgroupMounts(rootless bool) []CgroupMount {
	const root = "/sys/fs/cgroup"
	var st unix.Statfs_t
	if err := unix.Statfs(root, &st); err != nil {
		return nil
	}
	if st.Type == unix.CGROUP2_SUPER_MAGIC {
		return []CgroupMount{{Type: "cgroup2"}}
	}
	if rootless {
		return nil
	}
	data, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return nil
	}
	return parseCgroups(data, root)
}

// parseCgroups finds the version 1 hierarchies below root in proc_pid_mounts(5).
func parseCgroups(mounts []byte, root string) []CgroupMount {
	var list []CgroupMount
	lines := bufio.NewScanner(bytes.NewReader(mounts))
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		if len(words) < 4 || words[2] != "cgroup" || path.Dir(words[1]) != root {
			continue
		}
		list = append(list, CgroupMount{Dir: path.Base(words[1]), Type: "cgroup", Data: hierarchy(words[3])})
	}
	return list
}

// hierarchy picks from mount options those that name a version 1 hierarchy.
func hierarchy(options string) string {
	var data []string
	for _, o := range strings.Split(options, ",") {
		switch {
		case strings.HasPrefix(o, "name="):
			data = append(data, "none", o)
		case strings.Contains(o, "=") || o == "rw" || o == "ro" || o == "xattr" || o == "clone_children" ||
			o == "nosuid" || o == "nodev" || o == "noexec" || o == "relatime" || o == "cpuset_v2_mode":
		default:
			data = append(data, o)
		}
	}
	return strings.Join(data, ",")
}

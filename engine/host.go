package engine

import (
	"bufio"
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"codeberg.org/hoy/hoy/oci"
)

// readHost reads what a container's specification depends on of the machine.
func readHost(rootless bool) (oci.Host, error) {
	var h oci.Host
	var uname unix.Utsname
	if err := unix.Uname(&uname); err != nil {
		return h, fmt.Errorf("uname: %w", err)
	}
	h.Kernel = unix.ByteSliceToString(uname.Release[:])
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return h, err
	}
	h.Caps = boundingSet(status)
	h.TTYGroup = !rootless || mapsGroup(5)
	h.CPUs = throttledCPUs()
	h.Cgroups = cgroupMounts(rootless)
	return h, nil
}

// boundingSet finds the line CapBnd of proc_pid_status(5).
func boundingSet(status []byte) uint64 {
	_, rest, _ := bytes.Cut(status, []byte("\nCapBnd:\t"))
	digits, _, _ := bytes.Cut(rest, []byte("\n"))
	set, err := strconv.ParseUint(string(digits), 16, 64)
	if err != nil {
		return 0
	}
	return set
}

// mapsGroup says whether a group of the user namespace is mapped.
func mapsGroup(gid uint64) bool {
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
func cgroupMounts(rootless bool) []oci.CgroupMount {
	const root = "/sys/fs/cgroup"
	var st unix.Statfs_t
	if err := unix.Statfs(root, &st); err != nil {
		return nil
	}
	if st.Type == unix.CGROUP2_SUPER_MAGIC {
		return []oci.CgroupMount{{Type: "cgroup2"}}
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
func parseCgroups(mounts []byte, root string) []oci.CgroupMount {
	var list []oci.CgroupMount
	lines := bufio.NewScanner(bytes.NewReader(mounts))
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		if len(words) < 4 || words[2] != "cgroup" || filepath.Dir(words[1]) != root {
			continue
		}
		list = append(list, oci.CgroupMount{Dir: filepath.Base(words[1]), Type: "cgroup", Data: hierarchy(words[3])})
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

// devicesAt gives the device node at a path of the host, or those below a directory, for --device.
func devicesAt(path string) ([]specs.LinuxDevice, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("error gathering device information while adding custom device %q: %w", path, err)
	}
	if !st.IsDir() {
		d, ok := device(path)
		if !ok {
			return nil, fmt.Errorf("error gathering device information while adding custom device %q: not a device node", path)
		}
		return []specs.LinuxDevice{d}, nil
	}
	return devicesBelow(path)
}

// hostDevices are the device nodes of the host, for --privileged. What a container has of its own is left out.
func hostDevices() ([]specs.LinuxDevice, error) { return devicesBelow("/dev") }

func devicesBelow(dir string) ([]specs.LinuxDevice, error) {
	var list []specs.LinuxDevice
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return nil // a node that went while we looked, or a directory closed to us
		}
		if entry.IsDir() {
			switch path {
			case "/dev/pts", "/dev/shm", "/dev/fd", "/dev/mqueue", "/dev/.lxc", "/dev/.lxd-mounts", "/dev/.udev":
				return fs.SkipDir
			}
			return nil
		}
		if entry.Type()&fs.ModeDevice == 0 || path == "/dev/console" {
			return nil
		}
		if d, ok := device(path); ok {
			list = append(list, d)
		}
		return nil
	})
	return list, err
}

func device(path string) (specs.LinuxDevice, bool) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return specs.LinuxDevice{}, false
	}
	kind := ""
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFCHR:
		kind = "c"
	case unix.S_IFBLK:
		kind = "b"
	default:
		return specs.LinuxDevice{}, false
	}
	mode := os.FileMode(st.Mode & 0o7777)
	return specs.LinuxDevice{
		Path:     path,
		Type:     kind,
		Major:    int64(unix.Major(st.Rdev)),
		Minor:    int64(unix.Minor(st.Rdev)),
		FileMode: &mode,
		UID:      &st.Uid,
		GID:      &st.Gid,
	}, true
}

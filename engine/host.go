package engine

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

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

package cgroups

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	library "github.com/opencontainers/cgroups"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// guardPrefix begins the names of the groups that hold a device filter and nothing else.
const guardPrefix = "hoy-devices-"

// guardMark is the attribute of a group whose filter is in place: making the group and attaching the filter are two steps.
const guardMark = "trusted.hoy.filter"

// Guard gives the directory of a version 2 group with the device filter of r, for a container of root's that has no group of its own: CAP_MKNOD, which Docker's
// containers have, is the host's disks without one. The group is below the caller's own, so whatever limits and accounts that one goes on doing so. It is made on first
// use and shared by all containers with the same rules, so that a start costs no more than being born in it. "" where version 2 is not mounted or may not
// be written, and where nothing is to be filtered.
func Guard(r *specs.LinuxResources) (string, error) {
	own := unifiedGroupOf("self")
	if len(r.Devices) == 0 || allowsAll(r.Devices) || own == "" {
		return "", nil
	}
	rules, err := json.Marshal(r.Devices)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(rules)
	dir := filepath.Join(own, guardPrefix+hex.EncodeToString(sum[:8]))
	if _, err := unix.Getxattr(dir, guardMark, make([]byte, 1)); err == nil {
		return dir, nil
	}
	res, err := (&Host{Mode: V2}).translate(&specs.LinuxResources{Devices: r.Devices})
	if err != nil {
		return "", err
	}
	err = os.Mkdir(dir, 0o755)
	if errors.Is(err, os.ErrPermission) || errors.Is(err, unix.EROFS) {
		return "", nil // in a container that filters already what we can open
	}
	if err != nil && !errors.Is(err, os.ErrExist) {
		return "", fmt.Errorf("make control group: %w", err)
	}
	if err := library.DevicesSetV2(dir, res); err != nil { // a second filter, by two at once, allows no more than one
		return "", fmt.Errorf("device filter: %w", err)
	}
	if err := unix.Setxattr(dir, guardMark, []byte("1"), 0); err != nil {
		return "", fmt.Errorf("mark control group %s: %w", dir, err)
	}
	return dir, nil
}

// GuardOf gives the group with the device filter that a process is in, "" when it is in none.
func GuardOf(pid string) string {
	if dir := unifiedGroupOf(pid); strings.HasPrefix(filepath.Base(dir), guardPrefix) {
		return dir
	}
	return ""
}

// allowsAll says whether the last rule lets everything through, as a privileged container's does.
func allowsAll(rules []specs.LinuxDeviceCgroup) bool {
	last := rules[len(rules)-1]
	return last.Allow && (last.Type == "" || last.Type == "a") && last.Major == nil && last.Minor == nil && last.Access == "rwm"
}

// unifiedGroupOf is groupOf where version 2 may also be mounted beside version 1.
func unifiedGroupOf(pid string) string {
	dir := groupOf(pid)
	if dir == "" {
		return ""
	}
	for _, mount := range []string{root, root + "/unified"} {
		var st unix.Statfs_t
		if unix.Statfs(mount, &st) == nil && st.Type == unix.CGROUP2_SUPER_MAGIC {
			return filepath.Join(mount, strings.TrimPrefix(dir, root))
		}
	}
	return ""
}

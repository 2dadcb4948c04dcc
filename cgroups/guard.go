package cgroups

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	library "github.com/opencontainers/cgroups"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"codeberg.org/hoy/hoy/cgroups/group"
)

// Guard gives the directory of a version 2 group with the device filter of r, for a container of root's that has no group of its own: CAP_MKNOD, which Docker's
// containers have, is the host's disks without one. The group is below the caller's own, so whatever limits and accounts that one goes on doing so. It is made on first
// use and shared by all containers with the same rules, so that a start costs no more than being born in it. "" where version 2 is not mounted or may not
// be written, and where nothing is to be filtered.
func Guard(r *specs.LinuxResources) (string, error) {
	own := group.UnifiedOf("self")
	if len(r.Devices) == 0 || allowsAll(r.Devices) || own == "" {
		return "", nil
	}
	rules, err := json.Marshal(r.Devices)
	if err != nil {
		return "", err
	}
	dir, ready := group.GuardDir(own, rules)
	if ready {
		return dir, nil
	}
	res, err := (&Host{Mode: V2}).translate(&specs.LinuxResources{Devices: r.Devices})
	if err != nil {
		return "", err
	}
	err = makeGuard(dir, res)
	if errors.Is(err, os.ErrPermission) || errors.Is(err, unix.EROFS) {
		return "", nil // in a container that filters already what we can open, or in a user namespace, where nobody can make nodes
	}
	return dir, err
}

func makeGuard(dir string, r *library.Resources) error {
	made := os.Mkdir(dir, 0o755)
	if made != nil && !errors.Is(made, os.ErrExist) {
		return fmt.Errorf("make control group: %w", made)
	}
	err := library.DevicesSetV2(dir, r) // a second filter, by two at once, allows no more than one
	if err == nil {
		err = unix.Setxattr(dir, group.GuardMark, []byte("1"), 0)
	}
	if err != nil {
		if made == nil {
			os.Remove(dir)
		}
		return fmt.Errorf("device filter of %s: %w", dir, err)
	}
	return nil
}

// GuardOf gives the group with the device filter that a process is in, "" when it is in none.
func GuardOf(pid string) string {
	if dir := group.UnifiedOf(pid); strings.HasPrefix(filepath.Base(dir), group.GuardPrefix) {
		return dir
	}
	return ""
}

// allowsAll says whether the last rule lets everything through, as a privileged container's does.
func allowsAll(rules []specs.LinuxDeviceCgroup) bool {
	last := rules[len(rules)-1]
	return last.Allow && (last.Type == "" || last.Type == "a") && last.Major == nil && last.Minor == nil && last.Access == "rwm"
}

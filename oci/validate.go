package oci

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"codeberg.org/hoy/hoy/oci/plan"
	"codeberg.org/hoy/hoy/oci/seccomp"
	"golang.org/x/sys/unix"
)

// Validate says what contradicts itself, is unknown or is not done yet in c, in one line; nil means that c can be run. Where
// Docker has a message it is that one. It holds before and after MergeImage.
func (c *Config) Validate() error {
	for _, check := range []func() error{
		c.checkIdentity,
		c.checkProcess,
		c.checkSecurity,
		c.checkNamespaces,
		c.checkMounts,
		c.checkSysctls,
		c.checkLimits,
		c.Resources.Check,
		c.checkLog,
	} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

// keepGroups is the --group-add that leaves the process the groups that hoy was called with (podman).
const keepGroups = "keep-groups"

// KeepsGroups says whether the container's process has the groups that hoy was called with: by --group-add keep-groups, or by crun's annotation.
func (c *Config) KeepsGroups() bool {
	return slices.Contains(c.GroupAdd, keepGroups) || c.Annotations["run.oci.keep_original_groups"] == "1"
}

func (c *Config) checkIdentity() error {
	if slices.Contains(c.GroupAdd, keepGroups) && len(c.GroupAdd) > 1 {
		return errors.New("the '--group-add keep-groups' option is not allowed with any other --group-add options")
	}
	if c.Name != "" && !validName(c.Name) {
		//lint:ignore ST1005 Docker's words
		return fmt.Errorf("Invalid container name (%s), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed", c.Name)
	}
	for _, host := range []string{c.Hostname, c.Domainname} {
		if len(host) > 64 || strings.ContainsFunc(host, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '/' }) {
			return fmt.Errorf("invalid hostname format: %s", host) // 64: __NEW_UTS_LEN
		}
	}
	return nil
}

func (c *Config) checkProcess() error {
	if c.Detach && len(c.Attach) > 0 {
		return errors.New("conflicting options: cannot specify both --attach and --detach")
	}
	if c.AutoRemove && c.Restart.Any() {
		return errors.New("conflicting options: cannot specify both --restart and --rm")
	}
	if err := c.Restart.Check(); err != nil {
		return err
	}
	if err := c.Healthcheck.Validate(); err != nil {
		return err
	}
	if c.Timeout < 0 {
		return errors.New("--timeout cannot be negative")
	}
	for _, e := range c.Env {
		if key, _, _ := strings.Cut(e, "="); key == "" || strings.ContainsRune(e, 0) {
			return fmt.Errorf("invalid environment variable: %s", e)
		}
	}
	if c.WorkingDir != "" && !path.IsAbs(c.WorkingDir) {
		return fmt.Errorf("the working directory '%s' is invalid, it needs to be an absolute path", c.WorkingDir)
	}
	if c.StopSignal != "" {
		if _, err := ParseSignal(c.StopSignal); err != nil {
			return err
		}
	}
	if _, err := c.umask(); err != nil {
		return err
	}
	return c.checkUnit()
}

// umask is Umask as a number; nil for the default.
func (c *Config) umask() (*uint32, error) {
	if c.Umask == "" {
		return nil, nil
	}
	n, err := strconv.ParseUint(c.Umask, 8, 32)
	if err != nil || n > 0o777 {
		return nil, fmt.Errorf("invalid umask %q: an octal number up to 0777", c.Umask)
	}
	mask := uint32(n)
	return &mask, nil
}

// checkUnit refuses what the flags that are for services know no meaning of.
func (c *Config) checkUnit() error {
	switch c.SdNotify {
	case "", "conmon", "container", "healthy", "ignore":
	default:
		return fmt.Errorf("invalid --sdnotify %q: must be container, conmon, healthy or ignore", c.SdNotify)
	}
	switch c.ImageVolume {
	case "", "anonymous", "tmpfs", "ignore":
	default:
		return fmt.Errorf("invalid --image-volume %q: must be anonymous, tmpfs or ignore", c.ImageVolume)
	}
	return checkRuntime(c.Runtime)
}

// ociRuntimes are the names under which tools ask for the usual way to start a container. hoy's is one like them. A
// runtime that isolates differently (gVisor, Kata) promises more than that and is refused.
var ociRuntimes = []string{"hoy", "runc", "crun", "youki", "io.containerd.runc.v2"}

func checkRuntime(name string) error {
	if name == "" || slices.Contains(ociRuntimes, path.Base(name)) {
		return nil
	}
	return fmt.Errorf("unknown or invalid runtime name: %s", name)
}

func (c *Config) checkSecurity() error {
	if _, err := c.Caps(0); err != nil {
		return err
	}
	s, err := c.Security()
	if err != nil {
		return err
	}
	if s.WritableCgroups && c.CgroupnsMod == "host" {
		return errors.New("option 'writable-cgroups' is not allowed with the host's cgroup namespace")
	}
	if s.Seccomp == "" || s.Seccomp == unconfined || s.Seccomp == builtin {
		return nil
	}
	profile, err := seccomp.Load([]byte(s.Seccomp), nil, seccomp.Host{})
	if err != nil {
		return err
	}
	p, err := seccomp.Compile(profile, "")
	if err == nil && p.Flags&unix.SECCOMP_FILTER_FLAG_NEW_LISTENER != 0 {
		return errors.New("seccomp profile: SCMP_ACT_NOTIFY is not supported")
	}
	return err
}

// checkNamespaces refuses values that no namespace flag knows, in Docker's words, and those that are not done.
func (c *Config) checkNamespaces() error {
	for _, mode := range []struct {
		flag, value string
		other       []string // further values that are done
		unknown     string
	}{
		{"--pid", c.PidMode, nil, "--pid: invalid PID mode"},
		{"--ipc", c.IpcMode, []string{"private", "shareable", "none"}, "invalid IPC mode: " + c.IpcMode},
		{"--uts", c.UTSMode, nil, "--uts: invalid UTS mode"},
		{"--cgroupns", c.CgroupnsMod, []string{"private"}, "--cgroupns: invalid CGROUP mode"},
	} {
		kind, ref, _ := strings.Cut(mode.value, ":")
		switch {
		case mode.value == "" || mode.value == "host" || slices.Contains(mode.other, mode.value):
		case kind == "container" && ref != "" && mode.flag != "--cgroupns":
		case kind == "ns":
			return fmt.Errorf("%s %s is not supported", mode.flag, mode.value)
		default:
			return errors.New(mode.unknown)
		}
	}
	if _, err := c.Userns(); err != nil {
		return err
	}
	if c.UTSMode != "" && c.Hostname+c.Domainname != "" {
		return errors.New("conflicting options: hostname and the UTS mode")
	}
	return c.checkNetwork()
}

// ContainerMode gives the container of a namespace flag "container:REF".
func ContainerMode(mode string) (ref string, ok bool) { return strings.CutPrefix(mode, "container:") }

func (c *Config) checkMounts() error {
	targets := make(map[string]bool, len(c.Mounts))
	for i := range c.Mounts {
		m := &c.Mounts[i]
		if err := m.check(); err != nil {
			return err
		}
		target := path.Clean(m.Target)
		if targets[target] {
			//lint:ignore ST1005 Docker's words
			return fmt.Errorf("Duplicate mount point: %s", target)
		}
		targets[target] = true
	}
	for _, d := range c.Devices {
		if !path.IsAbs(d.Source) || !path.IsAbs(d.Target) || !validDeviceMode(d.Permissions) {
			return fmt.Errorf("bad format for path: %s:%s:%s", d.Source, d.Target, d.Permissions)
		}
	}
	if c.ShmSize < 0 {
		return errors.New("SHM size can not be less than 0")
	}
	return nil
}

// checkSysctls refuses what would change the host's: runc's messages.
func (c *Config) checkSysctls() error {
	for _, key := range slices.Sorted(maps.Keys(c.Sysctls)) {
		if _, _, err := ParseSysctl(key + "=" + c.Sysctls[key]); err != nil {
			return err
		}
		if plan.IsNetSysctl(key) && c.Network == "host" {
			return fmt.Errorf("sysctl %q not allowed in host network namespace", key)
		}
		if plan.IsIPCSysctl(key) && c.IpcMode == "host" {
			return fmt.Errorf("sysctl %q is not allowed in the hosts ipc namespace", key)
		}
	}
	return nil
}

func (c *Config) checkLimits() error {
	if c.OomScoreAdj < -1000 || c.OomScoreAdj > 1000 {
		//lint:ignore ST1005 Docker's words
		return fmt.Errorf("Invalid value %d, range for oom score adj is [-1000, 1000]", c.OomScoreAdj)
	}
	for _, u := range c.Ulimits {
		if _, ok := plan.Rlimit(u.Name); !ok {
			return fmt.Errorf("invalid ulimit type: %s", u.Name)
		}
	}
	return nil
}

func (c *Config) checkLog() error {
	_, err := c.Log()
	return err
}

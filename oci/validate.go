package oci

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"codeberg.org/hoy/hoy/oci/seccomp"
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

func (c *Config) checkIdentity() error {
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
	for _, e := range c.Env {
		if key, _, _ := strings.Cut(e, "="); key == "" || strings.ContainsRune(e, 0) {
			return fmt.Errorf("invalid environment variable: %s", e)
		}
	}
	if c.WorkingDir != "" && !path.IsAbs(c.WorkingDir) {
		return fmt.Errorf("the working directory '%s' is invalid, it needs to be an absolute path", c.WorkingDir)
	}
	if c.StopSignal != "" {
		_, err := ParseSignal(c.StopSignal)
		return err
	}
	return nil
}

func (c *Config) checkSecurity() error {
	if _, err := c.Caps(0); err != nil {
		return err
	}
	s, err := c.Security()
	if err != nil {
		return err
	}
	if s.AppArmor != "" && s.AppArmor != unconfined {
		return fmt.Errorf("--security-opt apparmor=%s is not supported: hoy loads no AppArmor profiles", s.AppArmor)
	}
	for _, label := range s.Labels {
		if label != "disable" {
			return fmt.Errorf("--security-opt label=%s is not supported: hoy sets no SELinux labels", label)
		}
	}
	if s.WritableCgroups && c.CgroupnsMod == "host" {
		return errors.New("option 'writable-cgroups' is not allowed with the host's cgroup namespace")
	}
	if s.Seccomp == "" || s.Seccomp == unconfined || s.Seccomp == builtin {
		return nil
	}
	profile, err := seccomp.Load([]byte(s.Seccomp), nil, seccomp.Host{})
	if err == nil {
		_, err = seccomp.Compile(profile, "")
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
		{"--userns", c.UsernsMode, nil, "--userns: invalid USER mode"},
		{"--cgroupns", c.CgroupnsMod, []string{"private"}, "--cgroupns: invalid CGROUP mode"},
	} {
		kind, _, _ := strings.Cut(mode.value, ":")
		switch {
		case mode.value == "" || mode.value == "host" || slices.Contains(mode.other, mode.value):
		case slices.Contains([]string{"container", "ns", "keep-id", "auto", "nomap"}, kind):
			return fmt.Errorf("%s %s is not supported", mode.flag, mode.value)
		default:
			return errors.New(mode.unknown)
		}
	}
	if c.UTSMode == "host" && c.Hostname+c.Domainname != "" {
		return errors.New("conflicting options: hostname and the UTS mode")
	}
	return c.checkNetwork()
}

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
		if isNetSysctl(key) && c.Network == "host" {
			return fmt.Errorf("sysctl %q not allowed in host network namespace", key)
		}
		if isIPCSysctl(key) && c.IpcMode == "host" {
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
		if _, ok := rlimitOf(u.Name); !ok {
			return fmt.Errorf("invalid ulimit type: %s", u.Name)
		}
	}
	return nil
}

func (c *Config) checkLog() error {
	switch c.LogDriver {
	case "", "json-file":
		return nil
	case "none":
		if len(c.LogOpts) > 0 {
			return errors.New("invalid logging opts for driver none")
		}
		return nil
	}
	return fmt.Errorf("logger: no log driver named '%s' is registered", c.LogDriver)
}

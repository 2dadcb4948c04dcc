package oci

import (
	"fmt"
	"path"
	"slices"
	"strconv"
)

// ParseSystemd reads --systemd: "" for false, "true" or "always".
func ParseSystemd(s string) (string, error) {
	if s == "always" {
		return s, nil
	}
	on, err := strconv.ParseBool(s)
	if err != nil {
		return "", fmt.Errorf("must be true, false or always")
	}
	if on {
		return "true", nil
	}
	return "", nil
}

// systemdPrograms are the commands by which --systemd=true knows systemd. Source: podman-run(1).
var systemdPrograms = []string{"systemd", "init", "/usr/sbin/init", "/sbin/init", "/usr/local/sbin/init"}

// PrepareSystemd gives a container with --systemd what systemd needs as process 1: tmpfs at /run, /run/lock, /tmp and
// /var/log/journal, control groups that it may write, the variable "container", and SIGRTMIN+3 to stop it
// (systemd.io/CONTAINER_INTERFACE). It comes after MergeImage.
func (c *Config) PrepareSystemd() {
	command := slices.Concat(c.Entrypoint, c.Cmd)
	switch {
	case c.Systemd == "" || len(command) == 0:
		return
	case c.Systemd != "always" && path.Base(command[0]) != "systemd" && !slices.Contains(systemdPrograms, command[0]):
		return
	}
	for _, target := range []string{"/run", "/run/lock", "/tmp", "/var/log/journal"} {
		if slices.ContainsFunc(c.Mounts, func(m Mount) bool { return m.Target == target }) {
			continue
		}
		mode := "mode=755"
		if target == "/tmp" {
			mode = "mode=1777"
		}
		c.Mounts = append(c.Mounts, Mount{Type: MountTmpfs, Target: target, Options: []string{"exec", mode}})
	}
	c.Env = MergeEnv([]string{"container=oci"}, c.Env)
	setDefault(&c.StopSignal, "RTMIN+3")
	if c.CgroupnsMod != "host" && !c.Privileged {
		c.SecurityOpt = append(slices.Clip(c.SecurityOpt), "writable-cgroups")
	}
}

package oci

import (
	"maps"
	"path"
	"slices"
	"strings"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// MergeImage fills c with what the image says and the user did not, as Docker does (moby daemon/commit.go, merge): entrypoint,
// command, environment, user, directory, labels, stop signal, volumes and ports. The Entrypoint {""} of `--entrypoint ""`
// keeps out the image's entrypoint and command.
func (c *Config) MergeImage(img *v1.ImageConfig) {
	if len(c.Entrypoint) == 0 {
		if len(c.Cmd) == 0 {
			c.Cmd = slices.Clone(img.Cmd)
		}
		c.Entrypoint = slices.Clone(img.Entrypoint)
	}
	if len(c.Entrypoint) == 1 && c.Entrypoint[0] == "" {
		c.Entrypoint = nil
	}
	c.Env = MergeEnv(c.EnvRules.base(img.Env), c.Env)
	setDefault(&c.User, img.User)
	setDefault(&c.WorkingDir, img.WorkingDir)
	setDefault(&c.StopSignal, img.StopSignal)
	c.mergeLabels(img.Labels)
	c.mergePorts(img.ExposedPorts)
	c.mergeVolumes(img.Volumes)
}

func setDefault(s *string, value string) {
	if *s == "" {
		*s = value
	}
}

func (c *Config) mergeLabels(labels map[string]string) {
	if len(labels) == 0 {
		return
	}
	own := c.Labels
	c.Labels = maps.Clone(labels)
	maps.Copy(c.Labels, own)
}

// mergePorts adds the image's ports, "80" as "80/tcp".
func (c *Config) mergePorts(ports map[string]struct{}) {
	for port := range ports {
		if !strings.Contains(port, "/") {
			port += "/tcp"
		}
		c.Ports = append(c.Ports, port)
	}
	slices.Sort(c.Ports)
	c.Ports = slices.Compact(c.Ports)
}

// mergeVolumes adds an anonymous volume, or a tmpfs, for each of the image's volumes on which the user mounts nothing. The image's paths are
// anybody's: they are read as paths below the container's root (CVE-2022-23648).
func (c *Config) mergeVolumes(volumes map[string]struct{}) {
	if c.ImageVolume == "ignore" {
		return
	}
	for _, target := range slices.Sorted(maps.Keys(volumes)) {
		target = path.Clean("/" + target)
		taken := slices.ContainsFunc(c.Mounts, func(m Mount) bool { return m.Target == target })
		if taken || target == "/" || strings.ContainsRune(target, 0) {
			continue
		}
		if c.ImageVolume == "tmpfs" {
			c.Mounts = append(c.Mounts, Mount{Type: MountTmpfs, Target: target, Options: []string{"exec"}})
			continue
		}
		c.Mounts = append(c.Mounts, Mount{Type: MountVolume, Target: target, Anonymous: true})
	}
}

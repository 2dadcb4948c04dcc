package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"codeberg.org/hoy/hoy/oci"
)

// bundles are crun and runc on prepared bundles: the same files, namespaces, mounts, masks, capabilities and seccomp profile as hoy's run, and once
// more without the profile, since compiling it is a large part of what they do.
func (b *bench) bundles() []contender {
	var cs []contender
	for _, seccomp := range []bool{true, false} {
		for _, rt := range []string{"crun", "runc"} {
			name := rt
			if !seccomp {
				name += " without seccomp"
			}
			dir, err := b.bundle(seccomp)
			c := contender{name: name, run: runBundle(b, []string{rt, "--root", b.path(rt)}, dir)}
			if err != nil {
				c.skip = err.Error()
			}
			cs = append(cs, c)
		}
	}
	return cs
}

// runBundle runs a bundle; runtime is the program and its flags.
func runBundle(b *bench, runtime []string, dir string) func() error {
	n := 0
	return func() error {
		n++
		args := append(runtime[:len(runtime):len(runtime)], "run", "--bundle", dir, fmt.Sprintf("%s%d", filepath.Base(dir), n))
		return runQuiet(b.environ(), args)
	}
}

// bundle writes rootfs and config.json.
func (b *bench) bundle(seccomp bool) (string, error) {
	dir := b.path("bundle")
	if !seccomp {
		dir = b.path("plain")
	}
	spec, err := bundleSpec(filepath.Join(dir, "rootfs"), seccomp)
	if err != nil {
		return dir, err
	}
	data, err := json.MarshalIndent(spec, "", " ")
	if err != nil {
		return dir, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return dir, err
	}
	if err := exec.Command("cp", "-a", b.path("base", "rootfs"), dir).Run(); err != nil {
		return dir, fmt.Errorf("copy rootfs: %w", err)
	}
	return dir, os.WriteFile(filepath.Join(dir, "config.json"), data, 0o644)
}

// bundleSpec is the specification that hoy makes for the same run, on a plain directory. The control groups are mounted as runtimes expect them to
// be asked for: in one mount, from which they make the hierarchies' own.
func bundleSpec(rootfs string, seccomp bool) (*specs.Spec, error) {
	c := &oci.Config{
		ID: strings.Repeat("0", 64), Rootfs: rootfs, Cmd: []string{"true"}, Network: "none",
		Env: []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
	}
	if !seccomp {
		c.SecurityOpt = []string{"seccomp=unconfined"}
	}
	spec, err := oci.Spec(c, oci.SpecOptions{Host: oci.Host{TTYGroup: true}})
	if err == nil {
		spec.Version = "1.0.2" // Debian's crun knows no newer one; nothing of a newer one is used
		spec.Mounts = append(spec.Mounts, specs.Mount{
			Destination: "/sys/fs/cgroup", Type: "cgroup", Source: "cgroup", Options: []string{"nosuid", "noexec", "nodev", "ro"},
		})
	}
	return spec, err
}

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// bench is one measuring run: the directory that holds everything, and the engines.
type bench struct {
	options
	dir    string
	hoy    engine
	podman engine
	docker engine
	daemon *daemon

	lab          bool // the network namespaces are there
	peersRunning []*exec.Cmd
}

// baseImage is the name of the busybox image that every engine builds for itself.
const baseImage = "localhost/benchbase:latest"

func newBench(o options) (*bench, error) {
	b := &bench{options: o, dir: os.Getenv(stageEnv)}
	if err := os.MkdirAll(b.path("home"), 0o755); err != nil {
		return nil, err
	}
	if err := b.writeBaseContext(); err != nil {
		return nil, fmt.Errorf("base context: %w", err)
	}
	b.hoy = b.hoyAt("hoy")
	if err := b.hoy.buildBase(b.path("base")); err != nil {
		return nil, fmt.Errorf("hoy: base image: %w", err)
	}
	b.podman = engine{name: "podman", missing: "not measured (-peers=false)"}
	b.docker = engine{name: "docker", missing: "not measured (-peers=false)"}
	if o.peers {
		b.podman = b.newPodman()
		b.docker = b.newDocker()
	}
	return b, nil
}

// path is a file below the run's directory.
func (b *bench) path(elem ...string) string {
	return filepath.Join(append([]string{b.dir}, elem...)...)
}

func (b *bench) close() {
	b.closeLab()
	if b.daemon != nil {
		b.daemon.stop()
	}
}

// writeBaseContext makes the build context of the base image: a static busybox, a link for each of its programs, and the directories that
// every distribution's image has.
func (b *bench) writeBaseContext() error {
	for _, dir := range []string{"bin", "dev", "etc", "home", "proc", "root", "sys", "tmp", "var"} {
		if err := os.MkdirAll(b.path("base", "rootfs", dir), 0o755); err != nil {
			return err
		}
	}
	bin := b.path("base", "rootfs", "bin")
	box, err := os.ReadFile("/bin/busybox")
	if err != nil {
		return errors.New("/bin/busybox is missing: apt-get install busybox-static")
	}
	if err := os.WriteFile(filepath.Join(bin, "busybox"), box, 0o755); err != nil {
		return err
	}
	for _, name := range []string{"sh", "true", "sleep", "echo", "cat", "mkdir", "touch"} {
		if err := os.Symlink("busybox", filepath.Join(bin, name)); err != nil {
			return err
		}
	}
	return os.WriteFile(b.path("base", "Dockerfile"), []byte("FROM scratch\nCOPY rootfs /\nCMD [\"sh\"]\n"), 0o644)
}

// kernelRelease is the kernel's version without what a distribution adds to it: "6.18".
func kernelRelease() string {
	data, err := os.ReadFile("/proc/sys/kernel/osrelease")
	parts := strings.SplitN(string(data), ".", 3)
	if err != nil || len(parts) < 2 {
		return "of an unknown version"
	}
	return parts[0] + "." + parts[1]
}

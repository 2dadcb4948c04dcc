package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// engine is a container engine with a store of its own.
type engine struct {
	name    string
	program []string // the program and the flags that stand before the command
	build   []string // program, flags and build command; nil means program and "build"
	env     []string
	as      *syscall.Credential // who runs it; nil: root
	ns      string              // the network namespace that it runs in; "" is ours
	missing string              // why it cannot be used
}

// command runs the engine's command line and gives its output in the error when it fails.
func (e engine) command(args ...string) error {
	line := append(append([]string{}, e.program...), args...)
	if e.ns != "" {
		return within(e.ns, func() error { return runAs(e.as, e.env, line) })
	}
	return runAs(e.as, e.env, line)
}

// buildImage builds the context dir under a name.
func (e engine) buildImage(dir, name string, flags ...string) error {
	cmd := e.build
	if cmd == nil {
		cmd = append(append([]string{}, e.program...), "build")
	}
	cmd = append(append([]string{}, cmd...), flags...)
	return runAs(e.as, e.env, append(cmd, "--network", "none", "-t", name, dir))
}

func (e engine) buildBase(dir string) error { return e.buildImage(dir, baseImage) }

// contender is the engine doing one command.
func (e engine) contender(args ...string) contender {
	return contender{name: e.name, skip: e.missing, run: func() error { return e.command(args...) }}
}

// runQuiet runs a program with no input. Its output is kept for the error.
func runQuiet(env, args []string) error { return runAs(nil, env, args) }

// runAs is runQuiet as somebody, without a program between that would be measured too.
func runAs(as *syscall.Credential, env, args []string) error {
	var out bytes.Buffer
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = env
	// A session of its own, as a container has: the scheduler may favour who shares one with the measuring client (sched(7), autogroup).
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Credential: as}
	// A file, not a pipe: a process that outlives the command must not keep us waiting.
	f, err := os.CreateTemp("", "out")
	if err != nil {
		return err
	}
	defer f.Close()
	os.Remove(f.Name())
	cmd.Stdout, cmd.Stderr = f, f
	if err := cmd.Run(); err != nil {
		f.Seek(0, 0)
		out.ReadFrom(f)
		return fmt.Errorf("%s: %w: %s", filepath.Base(args[0]), err, lastLine(out.String()))
	}
	return nil
}

func lastLine(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return lines[len(lines)-1]
}

// environ is the environment of every program that is measured, with more variables.
func (b *bench) environ(more ...string) []string {
	return append([]string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME=" + b.path("home"),
		"LANG=C.UTF-8",
	}, more...)
}

// hoyAt is hoy with a store of that name.
func (b *bench) hoyAt(name string) engine {
	return engine{
		name:    "hoy",
		program: []string{os.Getenv("BENCH_HOY")},
		env:     b.environ("HOY_ROOT="+b.path(name, "root"), "HOY_RUN="+b.path(name, "run")),
	}
}

// containersConf is podman's configuration, with the directory of its networks: the one that it has otherwise is the machine's.
func containersConf(networks string) string {
	return `[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "none"
runtime = "crun"
[network]
network_backend = "netavark"
network_config_dir = "` + networks + `"
`
}

// newPodman is podman, with buildah for its builds, on a store of its own. Without CAP_SYS_RESOURCE podman cannot raise limits, so it is
// given lower ones.
func (b *bench) newPodman() engine {
	storage := fmt.Sprintf("[storage]\ndriver = \"overlay\"\ngraphroot = %q\nrunroot = %q\n", b.path("podman", "root"), b.path("podman", "run"))
	e := engine{
		name:    "podman",
		program: []string{"podman"},
		build:   []string{"buildah", "bud", "--layers"},
		env: b.environ(
			"CONTAINERS_CONF="+b.path("containers.conf"),
			"CONTAINERS_STORAGE_CONF="+b.path("storage.conf"),
		),
	}
	for name, text := range map[string]string{"containers.conf": containersConf(b.path("podman", "networks")), "storage.conf": storage} {
		if err := os.WriteFile(b.path(name), []byte(text), 0o644); err != nil {
			e.missing = err.Error()
		}
	}
	if err := e.buildBase(b.path("base")); err != nil {
		e.missing = err.Error()
	}
	return e
}

// installPeers installs what is missing from Debian's packages.
func installPeers() error {
	var missing []string
	for pkg, file := range map[string]string{
		"podman": "/usr/bin/podman", "buildah": "/usr/bin/buildah", "crun": "/usr/bin/crun", "runc": "/usr/sbin/runc",
		"docker.io": "/usr/sbin/dockerd", "busybox-static": "/bin/busybox",
		"netavark": "/usr/lib/podman/netavark", "aardvark-dns": "/usr/lib/podman/aardvark-dns", "iproute2": "/usr/bin/ip", "iptables": "/usr/sbin/iptables",
		"slirp4netns": "/usr/bin/slirp4netns", "passt": "/usr/bin/pasta", "iperf3": "/usr/bin/iperf3", "uidmap": "/usr/bin/newuidmap",
	} {
		if _, err := os.Stat(file); err != nil {
			missing = append(missing, pkg)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	fmt.Fprintln(os.Stderr, "installing", strings.Join(missing, " "))
	env := append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1")
	if err := runQuiet(env, []string{"apt-get", "update"}); err != nil {
		return err
	}
	return runQuiet(env, append([]string{"apt-get", "install", "-y", "--no-install-recommends"}, missing...))
}

// versions says which peers were measured.
func (b *bench) versions() map[string]string {
	v := map[string]string{}
	for name, args := range map[string][]string{
		"hoy": {os.Getenv("BENCH_HOY"), "--version"}, "podman": {"podman", "--version"}, "buildah": {"buildah", "--version"},
		"crun": {"crun", "--version"}, "runc": {"runc", "--version"}, "docker": {"dockerd", "--version"},
		"netavark": {"/usr/lib/podman/netavark", "--version"}, "slirp4netns": {"slirp4netns", "--version"}, "pasta": {"pasta", "--version"},
	} {
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Env = b.environ()
		if out, err := cmd.Output(); err == nil {
			v[name], _, _ = strings.Cut(string(out), "\n")
		}
	}
	return v
}

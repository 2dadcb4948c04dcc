package engine

import (
	"context"
	"os"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"codeberg.org/hoy/hoy/netns/nft"
	"codeberg.org/hoy/hoy/oci"
)

// Info is what `info` shows. The problems of the host are the caller's to add.
func (e *Engine) Info() (*Info, error) {
	i := &Info{
		ID:                 "hoy",
		Driver:             "overlay",
		Plugins:            InfoPlugins{Volume: []string{"local"}, Network: []string{"bridge", "host", "ipvlan", "macvlan", "none"}, Log: oci.LogDrivers},
		IPv4Forwarding:     fileSays("/proc/sys/net/ipv4/ip_forward", "1"),
		LoggingDriver:      "json-file",
		CgroupDriver:       e.cgroupDriver(),
		CgroupVersion:      cgroupVersion(),
		KernelVersion:      kernelRelease(),
		OSType:             runtime.GOOS,
		Architecture:       machine(),
		NCPU:               runtime.NumCPU(),
		DockerRootDir:      e.o.Root,
		ServerVersion:      Release,
		DefaultRuntime:     "hoy",
		Runtimes:           map[string]InfoRuntime{"hoy": {Path: "hoy"}},
		SecurityOptions:    []string{"name=seccomp,profile=builtin"},
		IndexServerAddress: "https://index.docker.io/v1/",
		Rootless:           e.o.Rootless,
		RunDir:             e.o.Run,
		Version:            InfoVersion{Version: Release, OsArch: runtime.GOOS + "/" + runtime.GOARCH},
	}
	i.Name, _ = os.Hostname()
	i.OperatingSystem, i.OSVersion = operatingSystem()
	if e.o.Rootless {
		i.SecurityOptions = append(i.SecurityOptions, "name=rootless")
	}
	if _, err := os.Stat("/proc/self/ns/cgroup"); err == nil {
		i.SecurityOptions = append(i.SecurityOptions, "name=cgroupns")
	}
	var memory unix.Sysinfo_t
	if unix.Sysinfo(&memory) == nil {
		i.MemTotal = int64(memory.Totalram) * int64(memory.Unit)
	}
	i.Warnings = e.networkWarnings()
	return i, e.count(i)
}

// networkWarnings says what on this host keeps root's networks from working: an ordinary user's do not need it.
func (e *Engine) networkWarnings() []string {
	if e.o.Rootless {
		return nil
	}
	tables, err := nft.Dropping(nil)
	if err != nil {
		return nil // no nftables, and so no bridges
	}
	var out []string
	for _, t := range tables {
		out = append(out, "WARNING: the table "+t+" drops what the host forwards, to and from containers too, unless a rule of its own allows it (docs/networking.md)")
	}
	return out
}

// count counts containers and images. Those that cannot be read are the error; the others are counted.
func (e *Engine) count(i *Info) error {
	images, err := e.Store.Images(context.Background())
	if err != nil {
		return err
	}
	i.Images = len(images)
	list, err := e.List(ListOptions{All: true})
	for _, c := range list {
		i.Containers++
		if c.State.Status == StatusPaused {
			i.ContainersPaused++
		}
		if c.Running() || c.Restarting() {
			i.ContainersRunning++
		} else {
			i.ContainersStopped++
		}
	}
	return err
}

func fileSays(path, word string) bool {
	data, err := os.ReadFile(path)
	return err == nil && strings.TrimSpace(string(data)) == word
}

func cgroupVersion() string {
	var st unix.Statfs_t
	if unix.Statfs("/sys/fs/cgroup", &st) != nil {
		return ""
	}
	if st.Type == unix.CGROUP2_SUPER_MAGIC {
		return "2"
	}
	return "1"
}

func machine() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return ""
	}
	return unix.ByteSliceToString(u.Machine[:])
}

// operatingSystem reads os-release(5).
func operatingSystem() (name, version string) {
	data, err := os.ReadFile("/etc/os-release")
	if err != nil {
		return "unknown", ""
	}
	for line := range strings.Lines(string(data)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		if plain, err := strconv.Unquote(value); err == nil {
			value = plain
		}
		switch key {
		case "PRETTY_NAME":
			name = value
		case "VERSION_ID":
			version = value
		}
	}
	return name, version
}

package oci

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"codeberg.org/hoy/hoy/oci/child"
	"codeberg.org/hoy/hoy/oci/plan"
	"codeberg.org/hoy/hoy/oci/seccomp"
	"codeberg.org/hoy/hoy/oci/userns"
	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/opencontainers/runtime-tools/generate"
)

// SpecOptions is what Spec and Plan must be told of the host and of the places where the container's parts lie: they look nothing up themselves.
type SpecOptions struct {
	Host     Host
	Rootless bool // in the user namespace of an ordinary user

	// The root: an overlay of Lower (top first) under Upper. Config.Rootfs is used when Lower is empty.
	Lower       []string
	Upper, Work string
	Volatile    bool     // the upper directory need not survive a power cut (--rm)
	Data        []string // data-only layers of the overlay
	// Of a container with a user namespace of its own (Config.IDMap):
	Mapped     bool   // the kernel can show the host's files with that one's ids
	UsernsPath string // an existing one; else it is made

	Overlays   map[string]*child.Rootfs // by target: what image mounts and overlays over a directory are made of
	VolumePath func(name string) string // the data directory of a volume
	Etc        map[string]string        // "/etc/hosts", "/etc/hostname", "/etc/resolv.conf" → the host's file to mount there
	NetNSPath  string                   // an existing network namespace to join
	NetNSOwn   bool                     // NetNSPath was made for this container alone
	// Joins are existing namespaces to join, of other containers; ShmOf is a process, /proc/PID, of the one for IPC, whose /dev/shm goes with it.
	Joins map[specs.LinuxNamespaceType]string
	ShmOf string

	// Seccomp replaces what Config.SecurityOpt says; nil leaves the choice to it.
	Seccomp      *specs.LinuxSeccomp
	SeccompCache string // directory that keeps compiled filters; "" compiles each time
	// ImageArch is the architecture in the image's config. Programs of a "386" image may open sockets by socketcall(2), through
	// which the default seccomp profile's rules for sockets can be passed by.
	ImageArch string

	HostDevices []specs.LinuxDevice // --privileged: the nodes of the host's /dev
	// Device gives, for --device, the node at a host path, or those below a directory, by their host paths. Its error is shown as it is; Docker's begins
	// "error gathering device information while adding custom device".
	Device func(path string) ([]specs.LinuxDevice, error)
}

// Host is what a specification depends on of the machine.
type Host = plan.Host

// ReadHost reads what a specification depends on of this machine.
func ReadHost(rootless bool) (Host, error) { return plan.ReadHost(rootless) }

// BoundingSet finds the line CapBnd of proc_pid_status(5).
func BoundingSet(status []byte) uint64 { return plan.BoundingSet(status) }

// ErrNoCommand is a container without anything to run.
var ErrNoCommand = plan.ErrNoCommand

// Spec is the OCI runtime specification of c, with Docker's defaults.
func Spec(c *Config, o SpecOptions) (*specs.Spec, error) {
	args := slices.Concat(c.Entrypoint, c.Cmd)
	if len(args) == 0 {
		return nil, ErrNoCommand
	}
	s := specBuilder{c: c, o: o, g: generate.NewFromSpec(&specs.Spec{
		Version: specs.Version,
		Process: &specs.Process{},
		Root:    &specs.Root{},
		Linux:   &specs.Linux{Resources: &specs.LinuxResources{}},
		Hooks:   c.Hooks,
	})}
	s.g.SetProcessArgs(args)
	for _, step := range []func() error{s.process, s.security, s.namespaces, s.mounts, s.devices, s.resources, s.sysctls} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return s.g.Config, nil
}

// specBuilder is a specification on its way.
type specBuilder struct {
	c *Config
	o SpecOptions
	g generate.Generator
}

// process sets what the process is given: arguments are there already.
func (s *specBuilder) process() error {
	c, g := s.c, &s.g
	g.SetRootPath(rootPath(c))
	g.SetRootReadonly(c.ReadOnly)
	g.SetHostname(s.hostname())
	g.SetDomainName(c.Domainname)
	g.SetProcessTerminal(c.Tty)
	g.SetProcessUsername(c.User)
	g.SetProcessCwd("/")
	if c.WorkingDir != "" {
		g.SetProcessCwd(c.WorkingDir)
	}
	g.SetProcessOOMScoreAdj(c.OomScoreAdj)
	g.Config.Process.Env = s.env()
	for _, u := range c.Ulimits {
		g.AddProcessRlimits("RLIMIT_"+strings.ToUpper(u.Name), uint64(u.Hard), uint64(u.Soft))
	}
	g.Config.Annotations = maps.Clone(c.Annotations)
	var err error
	g.Config.Process.User.Umask, err = c.umask()
	return err
}

// rootPath is what the specification says of the root; an overlay has no path on the host.
func rootPath(c *Config) string {
	if c.Rootfs != "" {
		return c.Rootfs
	}
	return "rootfs"
}

// hostname is the container's own: what the user said, the host's on its network, else the first 12 digits of the id.
func (s *specBuilder) hostname() string {
	switch {
	case s.c.UTSMode != "": // another's: it keeps its name
		return ""
	case s.c.Hostname != "":
		return s.c.Hostname
	case s.c.Network == "host" && s.o.Host.Hostname != "":
		return s.o.Host.Hostname
	}
	return s.c.ID[:min(12, len(s.c.ID))]
}

// env is the environment: Docker's first, and over it the container's.
func (s *specBuilder) env() []string {
	own := []string{defaultPath}
	if host := s.hostname(); host != "" {
		own = append(own, "HOSTNAME="+host)
	}
	if s.c.Tty {
		own = append(own, "TERM=xterm")
	}
	return MergeEnv(own, s.c.Env)
}

// security sets capabilities, no_new_privs, system call filter and system paths.
func (s *specBuilder) security() error {
	sec, err := s.c.Security()
	if err != nil {
		return err
	}
	set, err := s.c.Caps(s.o.Host.Caps)
	if err != nil {
		return err
	}
	// Never inheritable or ambient: programs with file capabilities would hand them to ordinary users (CVE-2022-24769).
	names := plan.CapNames(set)
	s.g.Config.Process.Capabilities = &specs.LinuxCapabilities{Bounding: names, Effective: names, Permitted: names}
	s.g.SetProcessNoNewPrivileges(sec.NoNewPrivileges)
	if err := s.labels(&sec); err != nil {
		return err
	}
	linux := s.g.Config.Linux
	if linux.Seccomp, err = s.c.seccompProfile(names, s.o); err != nil {
		return err
	}
	linux.MaskedPaths = sec.Mask
	if !s.c.Privileged {
		linux.MaskedPaths, linux.ReadonlyPaths = sec.systemPaths(defaultMasked(s.o.Host.CPUs), defaultReadonly())
	}
	return nil
}

// seccompProfile is the profile of c's container, nil for none (moby daemon/seccomp_linux.go).
func (c *Config) seccompProfile(caps []string, o SpecOptions) (*specs.LinuxSeccomp, error) {
	if o.Seccomp != nil {
		return o.Seccomp, nil
	}
	sec, err := c.Security()
	if err != nil {
		return nil, err
	}
	host := seccomp.Host{Arch: o.Host.Arch, Kernel: o.Host.Kernel, SocketCall: o.ImageArch == "386"}
	switch {
	case sec.Seccomp == unconfined, c.Privileged && sec.Seccomp == "":
		return nil, nil
	case sec.Seccomp == "", sec.Seccomp == builtin:
		return seccomp.Default(caps, host)
	}
	return seccomp.Load([]byte(sec.Seccomp), caps, host)
}

// namespaces sets which namespaces are the container's own.
func (s *specBuilder) namespaces() error {
	c := s.c
	for _, ns := range []struct {
		kind specs.LinuxNamespaceType
		mode string
		path string
	}{
		{specs.MountNamespace, "", ""},
		{specs.NetworkNamespace, c.Network, s.o.NetNSPath},
		{specs.UTSNamespace, c.UTSMode, s.o.Joins[specs.UTSNamespace]},
		{specs.PIDNamespace, c.PidMode, s.o.Joins[specs.PIDNamespace]},
		{specs.IPCNamespace, c.IpcMode, s.o.Joins[specs.IPCNamespace]},
		{specs.CgroupNamespace, c.CgroupnsMod, ""},
	} {
		if ns.mode == "host" {
			continue
		}
		if err := s.g.AddOrReplaceLinuxNamespace(string(ns.kind), ns.path); err != nil {
			return err
		}
	}
	if c.IDMap == nil {
		return nil
	}
	for _, r := range c.IDMap.UIDs {
		s.g.AddLinuxUIDMapping(r.Outside, r.Inside, r.Count)
	}
	for _, r := range c.IDMap.GIDs {
		s.g.AddLinuxGIDMapping(r.Outside, r.Inside, r.Count)
	}
	return s.g.AddOrReplaceLinuxNamespace(string(specs.UserNamespace), s.o.UsernsPath)
}

// inUserns says whether the container is in another user namespace than the host's first.
func (s *specBuilder) inUserns() bool { return s.o.Rootless || s.c.IDMap != nil }

// pingGroups are the groups that may send echo requests: all. A user namespace cannot name groups that it does not have.
func (s *specBuilder) pingGroups() string {
	groups := s.o.Host.Groups
	if s.c.IDMap != nil {
		groups = s.c.IDMap.GIDs
	}
	if !s.inUserns() {
		return "0 2147483647"
	}
	low, high, ok := userns.Span(groups)
	if !ok {
		return ""
	}
	return fmt.Sprintf("%d %d", low, high)
}

// sysctls sets Docker's and the user's: in its own network namespace a container may open any port and send echo requests.
func (s *specBuilder) sysctls() error {
	if s.c.Network != "host" && (s.o.NetNSPath == "" || s.o.NetNSOwn) {
		s.g.AddLinuxSysctl("net.ipv4.ip_unprivileged_port_start", "0")
		if groups := s.pingGroups(); groups != "" {
			s.g.AddLinuxSysctl("net.ipv4.ping_group_range", groups)
		}
	}
	for key, value := range s.c.Sysctls {
		s.g.AddLinuxSysctl(key, value)
	}
	return nil
}

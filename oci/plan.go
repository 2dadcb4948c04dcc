package oci

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"codeberg.org/hoy/hoy/oci/child"
	"codeberg.org/hoy/hoy/oci/seccomp"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// Plan compiles a specification for the child. c adds what a specification cannot say (users by name, --init, volumes that are
// to be filled) and may be nil. What the child cannot do is an error: nothing is left out in silence.
func Plan(s *specs.Spec, o SpecOptions, c *Config) (*child.Plan, error) {
	if s.Process == nil || len(s.Process.Args) == 0 {
		return nil, ErrNoCommand
	}
	if s.Root == nil || s.Linux == nil {
		return nil, errors.New("the specification has no root or is not for Linux")
	}
	p := planner{s: s, o: o, c: c, plan: &child.Plan{
		Hostname: s.Hostname, Domainname: s.Domainname,
		Masked: s.Linux.MaskedPaths, ReadOnly: s.Linux.ReadonlyPaths,
		Rootless: o.Rootless,
	}}
	for _, step := range []func() error{p.refuse, p.namespaces, p.rootfs, p.mounts, p.devices, p.process, p.identity, p.limits, p.confine, p.sysctls} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return p.plan, nil
}

// planner is a plan on its way.
type planner struct {
	s    *specs.Spec
	o    SpecOptions
	c    *Config // nil: the specification is all there is
	plan *child.Plan
}

// refuse names what a specification may ask for that the child cannot do.
func (p *planner) refuse() error {
	proc, linux := p.s.Process, p.s.Linux
	for _, f := range []struct {
		asked bool
		what  string
	}{
		{p.s.Hooks != nil && !emptyHooks(p.s.Hooks), "hooks"},
		{proc.ApparmorProfile != "", "process.apparmorProfile"},
		{proc.SelinuxLabel != "", "process.selinuxLabel"},
		{proc.Scheduler != nil, "process.scheduler"},
		{proc.IOPriority != nil, "process.ioPriority"},
		{proc.ExecCPUAffinity != nil, "process.execCPUAffinity"},
		{linux.MountLabel != "", "linux.mountLabel"},
		{linux.IntelRdt != nil, "linux.intelRdt"},
		{linux.MemoryPolicy != nil, "linux.memoryPolicy"},
		{linux.Personality != nil, "linux.personality"},
		{len(linux.UIDMappings)+len(linux.GIDMappings) > 0, "linux.uidMappings"},
		{len(linux.TimeOffsets) > 0, "linux.timeOffsets"},
		{len(linux.NetDevices) > 0, "linux.netDevices"},
	} {
		if f.asked {
			return fmt.Errorf("%s of the specification is not supported", f.what)
		}
	}
	if p.s.Hostname+p.s.Domainname != "" && !p.owns(specs.UTSNamespace) {
		return errors.New("unable to set hostname without a private UTS namespace")
	}
	return nil
}

func emptyHooks(h *specs.Hooks) bool {
	//lint:ignore SA1019 Prestart is deprecated, but still to be refused
	return len(h.Prestart)+len(h.CreateRuntime)+len(h.CreateContainer)+len(h.StartContainer)+len(h.Poststart)+len(h.Poststop) == 0
}

// cloneFlags gives the flag of each kind of namespace.
var cloneFlags = []struct {
	kind specs.LinuxNamespaceType
	flag uintptr
}{
	{specs.MountNamespace, unix.CLONE_NEWNS},
	{specs.NetworkNamespace, unix.CLONE_NEWNET},
	{specs.UTSNamespace, unix.CLONE_NEWUTS},
	{specs.PIDNamespace, unix.CLONE_NEWPID},
	{specs.IPCNamespace, unix.CLONE_NEWIPC},
	{specs.CgroupNamespace, unix.CLONE_NEWCGROUP},
	{specs.TimeNamespace, unix.CLONE_NEWTIME},
}

func (p *planner) namespaces() error {
	for _, ns := range p.s.Linux.Namespaces {
		flag := uintptr(0)
		for _, f := range cloneFlags {
			if f.kind == ns.Type {
				flag = f.flag
			}
		}
		switch {
		case flag == 0:
			return fmt.Errorf("namespace %q of the specification is not supported", ns.Type)
		case ns.Path != "":
			p.plan.Join = append(p.plan.Join, child.NamespaceJoin{Type: flag, Path: ns.Path})
		default:
			p.plan.Clone |= flag
		}
	}
	if p.plan.Clone&unix.CLONE_NEWNS == 0 {
		return errors.New("a specification without a mount namespace of its own is not supported")
	}
	return nil
}

func (p *planner) rootfs() error {
	root := &p.plan.Rootfs
	root.ReadOnly = p.s.Root.Readonly
	if len(p.o.Lower) > 0 {
		root.Lower, root.Upper, root.Work, root.Volatile = p.o.Lower, p.o.Upper, p.o.Work, p.o.Volatile
	} else {
		root.Bind = p.s.Root.Path
	}
	propagation := p.s.Linux.RootfsPropagation
	if propagation == "" {
		return nil
	}
	if p.plan.Propagation = propagationOf(propagation); p.plan.Propagation == 0 {
		return fmt.Errorf("rootfsPropagation %q of the specification is unknown", propagation)
	}
	return nil
}

// process sets what is run.
func (p *planner) process() error {
	proc, plan := p.s.Process, p.plan
	plan.Args, plan.Env, plan.Cwd, plan.Terminal = proc.Args, proc.Env, proc.Cwd, proc.Terminal
	plan.OOMScore = proc.OOMScoreAdj
	if proc.ConsoleSize != nil {
		plan.Rows, plan.Cols = uint16(proc.ConsoleSize.Height), uint16(proc.ConsoleSize.Width)
	}
	if p.c != nil {
		// An init has nothing to do where process 1 is another's.
		plan.Init = p.c.Init && plan.Clone&unix.CLONE_NEWPID != 0
		plan.Keyring = "_ses." + p.c.ID
	}
	return nil
}

// identity sets the user: by Docker's words, which the child resolves, or by the specification's numbers.
func (p *planner) identity() error {
	user := p.s.Process.User
	p.plan.Umask = user.Umask
	if p.c != nil {
		p.plan.User, p.plan.GroupAdd = p.c.User, p.c.GroupAdd
		return nil
	}
	p.plan.IDs = &child.IDs{UID: user.UID, GID: user.GID, Groups: user.AdditionalGids}
	return nil
}

// confine sets capabilities, no_new_privs and the system call filter.
func (p *planner) confine() error {
	p.plan.NoNewPrivileges = p.s.Process.NoNewPrivileges
	if err := p.capabilities(); err != nil {
		return err
	}
	if p.s.Linux.Seccomp == nil {
		return nil
	}
	prog, err := seccomp.CompileCached(p.o.SeccompCache, p.s.Linux.Seccomp, p.o.Host.Arch)
	if err != nil {
		return err
	}
	p.plan.Seccomp, p.plan.SeccompFlags = prog.Filter, prog.Flags
	return nil
}

// capabilities sets the five sets. What the host does not have cannot be given.
func (p *planner) capabilities() error {
	caps := p.s.Process.Capabilities
	if caps == nil {
		return nil
	}
	host := p.o.Host.Caps
	if host == 0 {
		host = allCaps
	}
	for _, set := range []struct {
		to    *uint64
		names []string
	}{
		{&p.plan.Caps.Bounding, caps.Bounding},
		{&p.plan.Caps.Effective, caps.Effective},
		{&p.plan.Caps.Permitted, caps.Permitted},
		{&p.plan.Caps.Inheritable, caps.Inheritable},
		{&p.plan.Caps.Ambient, caps.Ambient},
	} {
		bits, err := CapSet(set.names)
		if err != nil {
			return err
		}
		*set.to = bits & host
	}
	return nil
}

func (p *planner) limits() error {
	for _, r := range p.s.Process.Rlimits {
		name, ok := strings.CutPrefix(r.Type, "RLIMIT_")
		resource, known := rlimitOf(strings.ToLower(name))
		if !ok || !known {
			return fmt.Errorf("invalid rlimit type: %s", r.Type)
		}
		p.plan.Rlimits = append(p.plan.Rlimits, child.Rlimit{Resource: resource, Soft: r.Soft, Hard: r.Hard})
	}
	return nil
}

// rlimits are the resources of setrlimit(2) by Docker's names.
var rlimits = []struct {
	name     string
	resource int
}{
	{"as", unix.RLIMIT_AS},
	{"core", unix.RLIMIT_CORE},
	{"cpu", unix.RLIMIT_CPU},
	{"data", unix.RLIMIT_DATA},
	{"fsize", unix.RLIMIT_FSIZE},
	{"locks", unix.RLIMIT_LOCKS},
	{"memlock", unix.RLIMIT_MEMLOCK},
	{"msgqueue", unix.RLIMIT_MSGQUEUE},
	{"nice", unix.RLIMIT_NICE},
	{"nofile", unix.RLIMIT_NOFILE},
	{"nproc", unix.RLIMIT_NPROC},
	{"rss", unix.RLIMIT_RSS},
	{"rtprio", unix.RLIMIT_RTPRIO},
	{"rttime", unix.RLIMIT_RTTIME},
	{"sigpending", unix.RLIMIT_SIGPENDING},
	{"stack", unix.RLIMIT_STACK},
}

func rlimitOf(name string) (int, bool) {
	for _, r := range rlimits {
		if r.name == name {
			return r.resource, true
		}
	}
	return 0, false
}

// sysctls lists the settings by name. What is not the container's own to set is refused, whoever asks (CVE-2022-0811): runc's messages.
func (p *planner) sysctls() error {
	for _, key := range slices.Sorted(maps.Keys(p.s.Linux.Sysctl)) {
		switch {
		case !validSysctl(key):
			return fmt.Errorf("sysctl %q is not in a separate kernel namespace", key)
		case isNetSysctl(key) && !p.owns(specs.NetworkNamespace):
			return fmt.Errorf("sysctl %q not allowed in host network namespace", key)
		case isIPCSysctl(key) && !p.owns(specs.IPCNamespace):
			return fmt.Errorf("sysctl %q is not allowed in the hosts ipc namespace", key)
		}
		p.plan.Sysctls = append(p.plan.Sysctls, child.KV{Key: key, Value: p.s.Linux.Sysctl[key]})
	}
	return nil
}

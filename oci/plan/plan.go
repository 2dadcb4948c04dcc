// Package plan compiles a runtime specification into what a container's child does: plain data in, plain data out.
//
// It also serves a runtime command line that is reached before any wide library is initialised, so it imports the standard library,
// golang.org/x/sys and the specification's types only.
package plan

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"codeberg.org/hoy/hoy/oci/child"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// Options is what a plan depends on besides the specification.
type Options struct {
	Host     Host
	Rootless bool // in a user namespace other than the host's first

	// The root: an overlay of Lower (top first) under Upper. The specification's root is used when Lower is empty.
	Lower       []string
	Upper, Work string
	Volatile    bool     // the upper directory need not survive a power cut
	Data        []string // overlay's data-only layers
	// Mapped says of a specification with a user namespace that the kernel can show the host's files with that one's ids: the root's, and
	// those of volumes. Else they are on disk with these ids.
	Mapped     bool
	NetworkOwn bool // the network namespace that is joined was made for the container, in its user namespace

	Etc map[string]string // targets → the host's files that are mounted there, made where they are missing
	// Filter compiles a seccomp profile: the program for the kernel, and SECCOMP_FILTER_FLAG_*.
	Filter  func(*specs.LinuxSeccomp) (program []byte, flags uint, err error)
	Keyring string  // the name of a new session keyring; "" keeps none
	Docker  *Docker // nil: the specification is all there is
	// Groups are the container's own control groups of version 1, for a container without a cgroup namespace: Data is the directory.
	Groups []CgroupMount
}

// Docker is what a specification cannot say and Docker's command line can.
type Docker struct {
	Init           bool   // --init
	User           string // user[:group] by name or number; it wins over the specification's numbers
	GroupAdd       []string
	VolumeAt       func(target string) *Volume // the container's volume that is mounted at target, nil for none
	DeviceSourceOf func(target string) string  // the host's path of the container's node at target
}

// Volume is a volume that a bind mount's source lies in.
type Volume struct {
	Path    string // its data on the host
	Subpath string // the part of it that is mounted
	CopyUp  bool   // filled from the image on its first use
}

// ErrNoCommand is a container without anything to run. The text is Docker's.
var ErrNoCommand = errors.New("no command specified")

// Compile compiles a specification for the child. What the child cannot do is an error: nothing is left out in silence.
func Compile(s *specs.Spec, o Options) (*child.Plan, error) {
	if s.Process == nil || len(s.Process.Args) == 0 {
		return nil, ErrNoCommand
	}
	if s.Root == nil || s.Linux == nil {
		return nil, errors.New("the specification has no root or is not for Linux")
	}
	if !path.IsAbs(s.Process.Cwd) {
		return nil, errors.New("Cwd must be an absolute path") //lint:ignore ST1005 runc's words
	}
	p := planner{s: s, o: o, plan: &child.Plan{
		Hostname: s.Hostname, Domainname: s.Domainname,
		Masked: s.Linux.MaskedPaths, ReadOnly: s.Linux.ReadonlyPaths,
		Rootless: o.Rootless, MountLabel: s.Linux.MountLabel, Rename: o.Docker == nil,
	}}
	for _, step := range []func() error{p.refuse, p.userns, p.namespaces, p.rootfs, p.mounts, p.devices, p.process, p.hooks, p.identity, p.limits, p.confine, p.sysctls} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return p.plan, nil
}

// planner is a plan on its way.
type planner struct {
	s    *specs.Spec
	o    Options
	plan *child.Plan
}

// refuse names what a specification may ask for that the child cannot do.
func (p *planner) refuse() error {
	proc, linux := p.s.Process, p.s.Linux
	for _, f := range []struct {
		asked bool
		what  string
	}{
		{proc.ApparmorProfile != "" && !p.o.Host.AppArmor, "process.apparmorProfile (this kernel has no AppArmor)"},
		{proc.SelinuxLabel != "" && !p.o.Host.SELinux, "process.selinuxLabel (this kernel has no SELinux)"},
		{linux.MountLabel != "" && !p.o.Host.SELinux, "linux.mountLabel (this kernel has no SELinux)"},
		{proc.Scheduler != nil, "process.scheduler"},
		{proc.IOPriority != nil, "process.ioPriority"},
		{proc.ExecCPUAffinity != nil, "process.execCPUAffinity"},
		{linux.IntelRdt != nil, "linux.intelRdt"},
		{linux.MemoryPolicy != nil, "linux.memoryPolicy"},
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
	seen := uintptr(0)
	for _, ns := range p.s.Linux.Namespaces {
		if ns.Type == specs.UserNamespace {
			continue // userns has read it
		}
		flag := uintptr(0)
		for _, f := range cloneFlags {
			if f.kind == ns.Type {
				flag = f.flag
			}
		}
		switch {
		case flag == 0:
			return fmt.Errorf("namespace %q of the specification is not supported", ns.Type)
		case seen&flag != 0:
			return fmt.Errorf("namespace %q is twice in the specification", ns.Type)
		case ns.Path != "":
			p.plan.Join = append(p.plan.Join, child.NamespaceJoin{Type: flag, Path: ns.Path})
		default:
			p.plan.Clone |= flag
		}
		seen |= flag
	}
	p.plan.HostMounts = seen&unix.CLONE_NEWNS == 0
	switch {
	case p.plan.HostMounts && p.plan.Userns != nil:
		return errors.New("a user namespace needs a mount namespace")
	case p.plan.HostMounts && p.s.Linux.RootfsPropagation != "":
		return errors.New("linux.rootfsPropagation needs a mount namespace")
	}
	return p.timens()
}

func (p *planner) rootfs() error {
	root := &p.plan.Rootfs
	root.ReadOnly = p.s.Root.Readonly
	if len(p.o.Lower) > 0 {
		root.Lower, root.Upper, root.Work, root.Volatile = p.o.Lower, p.o.Upper, p.o.Work, p.o.Volatile
		root.Data, root.Mapped = p.o.Data, p.o.Mapped
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
	if d := p.o.Docker; d != nil {
		// An init has nothing to do where process 1 is another's.
		plan.Init = d.Init && plan.Clone&unix.CLONE_NEWPID != 0
	}
	plan.Keyring, plan.AppArmor, plan.SELinux = p.o.Keyring, proc.ApparmorProfile, proc.SelinuxLabel
	return nil
}

// identity sets the user: by Docker's words, which the child resolves, or by the specification's numbers.
func (p *planner) identity() error {
	user := p.s.Process.User
	p.plan.Umask = user.Umask
	if d := p.o.Docker; d != nil {
		p.plan.User, p.plan.GroupAdd = d.User, d.GroupAdd
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
	var err error
	p.plan.Seccomp, p.plan.SeccompFlags, err = p.o.Filter(p.s.Linux.Seccomp)
	if err != nil || p.plan.SeccompFlags&unix.SECCOMP_FILTER_FLAG_NEW_LISTENER == 0 {
		return err
	}
	if p.o.Docker != nil || p.s.Linux.Seccomp.ListenerPath == "" {
		return errors.New("linux.seccomp: SCMP_ACT_NOTIFY needs a listenerPath")
	}
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
		host = AllCaps
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
	// Others cannot be raised (capabilities(7)); `runc spec` of some years names them all the same.
	p.plan.Caps.Ambient &= p.plan.Caps.Inheritable & p.plan.Caps.Permitted
	return nil
}

func (p *planner) limits() error {
	for _, r := range p.s.Process.Rlimits {
		name, ok := strings.CutPrefix(r.Type, "RLIMIT_")
		resource, known := Rlimit(strings.ToLower(name))
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

// Rlimit gives the resource of setrlimit(2) for Docker's name of it.
func Rlimit(name string) (int, bool) {
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
		case key == "kernel.domainname" && p.owns(specs.UTSNamespace):
		case !ValidSysctl(key):
			return fmt.Errorf("sysctl %q is not in a separate kernel namespace", key)
		case IsNetSysctl(key) && !p.owns(specs.NetworkNamespace):
			return fmt.Errorf("sysctl %q not allowed in host network namespace", key)
		case IsIPCSysctl(key) && !p.owns(specs.IPCNamespace):
			return fmt.Errorf("sysctl %q is not allowed in the hosts ipc namespace", key)
		}
		p.plan.Sysctls = append(p.plan.Sysctls, child.KV{Key: key, Value: p.s.Linux.Sysctl[key]})
	}
	return nil
}

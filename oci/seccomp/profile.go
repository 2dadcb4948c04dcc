package seccomp

import (
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"

	moby "github.com/moby/profiles/seccomp"
	"github.com/opencontainers/runtime-spec/specs-go"
)

// Host is what a profile's conditions ask of the machine and the image.
type Host struct {
	Arch   string // GOARCH; "" is hoy's own
	Kernel string // uname -r, of which the first two numbers count; "" means newer than all that profiles ask for
	// SocketCall lets 32-bit x86 programs open sockets by socketcall(2). A filter cannot see which family they open: it is
	// for images that are made for that architecture.
	SocketCall bool
}

// Default is Docker's default profile for a container with these capabilities ("CAP_SYS_ADMIN" …) in its bounding set.
// It differs in one point: unless h.SocketCall, socketcall(2) opens no sockets, since AF_ALG and AF_VSOCK, which the profile
// keeps from socket(2), could be had through it (CVE-2026-31431).
func Default(caps []string, h Host) (*specs.LinuxSeccomp, error) {
	p := moby.DefaultProfile()
	if !h.SocketCall {
		p.Syscalls = withoutSocketCall(p.Syscalls)
	}
	return resolve(p, caps, h)
}

// sysSocket is the number of socket(2) among the calls of socketcall(2) (linux/net.h).
const sysSocket = 1

// withoutSocketCall replaces the permission for socketcall(2) by one that leaves its call 1 out.
func withoutSocketCall(rules []*moby.Syscall) []*moby.Syscall {
	found := false
	for _, r := range rules {
		i := slices.Index(r.Names, "socketcall")
		if i >= 0 && r.Action == specs.ActAllow {
			r.Names = slices.Delete(r.Names, i, i+1)
			found = true
		}
	}
	if !found {
		return rules
	}
	return append(rules, &moby.Syscall{LinuxSyscall: specs.LinuxSyscall{
		Names:  []string{"socketcall"},
		Action: specs.ActAllow,
		Args:   []specs.LinuxSeccompArg{{Index: 0, Value: sysSocket, Op: specs.OpNotEqual}},
	}})
}

// Load reads a profile in JSON, Docker's (archMap, includes, excludes) or the runtime specification's.
func Load(data []byte, caps []string, h Host) (*specs.LinuxSeccomp, error) {
	var p moby.Seccomp
	if err := json.Unmarshal(data, &p); err != nil {
		return nil, fmt.Errorf("seccomp profile: %w", err)
	}
	if p.DefaultAction == "" {
		return nil, errors.New("seccomp profile: no defaultAction")
	}
	return resolve(&p, caps, h)
}

// resolve applies a profile's conditions (moby's setupSeccomp, with the machine as a parameter).
func resolve(p *moby.Seccomp, caps []string, h Host) (*specs.LinuxSeccomp, error) {
	f, err := newFacts(caps, h)
	if err != nil {
		return nil, err
	}
	if len(p.Architectures) != 0 && len(p.ArchMap) != 0 {
		return nil, errors.New("both 'architectures' and 'archMap' are specified in the seccomp profile, use either 'architectures' or 'archMap'")
	}
	out := p.LinuxSeccomp
	for _, a := range p.ArchMap {
		if a.Arch == f.native {
			out.Architectures = append([]specs.Arch{a.Arch}, a.SubArches...)
			break
		}
	}
	out.Syscalls = make([]specs.LinuxSyscall, 0, len(p.Syscalls))
	for _, call := range p.Syscalls {
		if call == nil {
			return nil, errors.New("seccomp profile: a rule is null")
		}
		if err := spellNames(call); err != nil {
			return nil, err
		}
		if f.excluded(call.Excludes) || !f.included(call.Includes) {
			continue
		}
		out.Syscalls = append(out.Syscalls, call.LinuxSyscall)
	}
	return &out, nil
}

// spellNames puts the name of profiles from before 2017 among the names.
func spellNames(call *moby.Syscall) error {
	//lint:ignore SA1019 the field is deprecated, but users have such profiles
	name := call.Name
	if name == "" {
		return nil
	}
	if len(call.Names) != 0 {
		return errors.New("both 'name' and 'names' are specified in the seccomp profile, use either 'name' or 'names'")
	}
	call.Names = []string{name}
	return nil
}

// facts is what conditions are held against.
type facts struct {
	caps   []string
	arch   string // libseccomp's name
	native specs.Arch
	kernel *moby.KernelVersion // nil: newer than all
}

func newFacts(caps []string, h Host) (facts, error) {
	goarch := h.Arch
	if goarch == "" {
		goarch = runtime.GOARCH
	}
	f := facts{caps: caps, arch: goarch}
	switch goarch {
	case "amd64":
		f.native = specs.ArchX86_64
	case "arm64":
		f.native = specs.ArchAARCH64
	default:
		return f, fmt.Errorf("seccomp is not supported on %s", goarch)
	}
	if h.Kernel == "" {
		return f, nil
	}
	var err error
	f.kernel, err = parseKernel(h.Kernel)
	return f, err
}

// parseKernel reads the first two numbers of a release such as 6.18.44-generic or 7.1-rc3.
func parseKernel(release string) (*moby.KernelVersion, error) {
	major, rest, _ := strings.Cut(release, ".")
	end := strings.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' })
	if end < 0 {
		end = len(rest)
	}
	a, err1 := strconv.ParseUint(major, 10, 16)
	b, err2 := strconv.ParseUint(rest[:end], 10, 16)
	if err1 != nil || err2 != nil {
		return nil, fmt.Errorf("kernel release %q is not understood", release)
	}
	return &moby.KernelVersion{Kernel: a, Major: b}, nil
}

// excluded says whether one of a filter's conditions holds.
func (f facts) excluded(filter *moby.Filter) bool {
	if filter == nil {
		return false
	}
	return slices.Contains(filter.Arches, f.arch) || slices.ContainsFunc(filter.Caps, f.hasCap) ||
		filter.MinKernel != nil && f.atLeast(*filter.MinKernel)
}

// included says whether all of a filter's conditions hold.
func (f facts) included(filter *moby.Filter) bool {
	if filter == nil {
		return true
	}
	if len(filter.Arches) > 0 && !slices.Contains(filter.Arches, f.arch) {
		return false
	}
	lacks := func(name string) bool { return !f.hasCap(name) }
	return !slices.ContainsFunc(filter.Caps, lacks) && (filter.MinKernel == nil || f.atLeast(*filter.MinKernel))
}

func (f facts) hasCap(name string) bool { return slices.Contains(f.caps, name) }

func (f facts) atLeast(min moby.KernelVersion) bool {
	if f.kernel == nil || f.kernel.Kernel > min.Kernel {
		return true
	}
	return f.kernel.Kernel == min.Kernel && f.kernel.Major >= min.Major
}

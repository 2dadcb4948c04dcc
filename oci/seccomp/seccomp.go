// Package seccomp compiles seccomp profiles of the runtime specification to classic BPF programs.
package seccomp

import (
	"errors"

	"github.com/opencontainers/runtime-spec/specs-go"

	"codeberg.org/hoy/hoy/oci/seccomp/kept"
)

//go:generate go run gentable.go

// What a profile may ask for that cannot be given.
var (
	ErrNotify  = errors.New("seccomp profile: SCMP_ACT_NOTIFY cannot be the default, nor what sendmsg gets, by which the listener is handed over")
	ErrTooLong = errors.New("seccomp profile: more than 4096 instructions")
)

const maxInstructions = kept.MaxInstructions

// Program is a filter that the kernel takes with seccomp(SECCOMP_SET_MODE_FILTER).
type Program struct {
	Filter []byte // struct sock_filter, native byte order
	Flags  uint   // SECCOMP_FILTER_FLAG_*
}

// Compile translates p for processes on a machine of the given GOARCH ("" is hoy's own). What it makes of a profile is what
// runc with libseccomp makes of it, but for these points:
//
//   - arguments whose kernel type has 32 bits are compared on 32 bits, so that a process cannot step over a rule with bits
//     that the kernel never looks at (socket(38|1<<32), personality, ioctl);
//   - an architecture that the profile does not name ends the process, not only the thread;
//   - conditional rules of one system call are tried in the profile's order;
//   - a rule for a socket or System V call does not extend to i386's socketcall(2) and ipc(2).
func Compile(p *specs.LinuxSeccomp, goarch string) (*Program, error) {
	host, err := hostOf(goarch)
	if err != nil {
		return nil, err
	}
	set, err := readRules(p)
	if err != nil {
		return nil, err
	}
	notifies, err := set.notifies()
	if err != nil {
		return nil, err
	}
	flags, err := filterFlags(p.Flags, notifies)
	if err != nil {
		return nil, err
	}
	want, err := host.wanted(p.Architectures)
	if err != nil {
		return nil, err
	}
	code, err := assemble(program(host, want, set))
	if err != nil {
		return nil, err
	}
	return &Program{Filter: code, Flags: flags}, nil
}

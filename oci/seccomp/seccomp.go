// Package seccomp compiles seccomp profiles of the runtime specification to classic BPF programs.
package seccomp

import (
	"errors"

	"github.com/opencontainers/runtime-spec/specs-go"
)

var errTodo = errors.New("not written")

// Program is a filter that the kernel takes.
type Program struct {
	Filter []byte // struct sock_filter, native byte order
	Flags  uint   // SECCOMP_FILTER_FLAG_*
}

// Host is what a profile's conditions ask of the machine.
type Host struct {
	Arch   string // GOARCH: "amd64" or "arm64"; "" is hoy's own
	Kernel string // uname -r, of which the first two numbers count; "" means newer than all that profiles ask for
}

// Default is Docker's default profile for a container with these capabilities ("CAP_SYS_ADMIN" …) in its bounding set.
func Default(caps []string, h Host) (*specs.LinuxSeccomp, error) { return nil, errTodo }

// Load reads a profile in JSON, Docker's (archMap, includes, excludes) or the runtime specification's.
func Load(data []byte, caps []string, h Host) (*specs.LinuxSeccomp, error) { return nil, errTodo }

// Compile translates p for processes on a machine of the given GOARCH.
func Compile(p *specs.LinuxSeccomp, goarch string) (*Program, error) { return nil, errTodo }

// CompileCached is Compile with a cache of compiled programs in dir, which is made when it is missing. A cache that cannot be
// read or written costs time and nothing else.
func CompileCached(dir string, p *specs.LinuxSeccomp, goarch string) (*Program, error) {
	return nil, errTodo
}

// Digest names the program that Compile makes of p: the same profile, architecture and compiler give the same name.
func Digest(p *specs.LinuxSeccomp, goarch string) string { return "" }

// Package bundle is the OCI runtime command line's containers: one bundle each, a state on disk, a process.
//
// It is also reached before any wide library is initialised, because engines start a runtime anew for each step of a container's life. So it imports
// the standard library, golang.org/x/sys and the specification's types only; what needs more is given to it in a Host.
package bundle

import (
	"errors"
	"fmt"
	"os"
	"path"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"codeberg.org/hoy/hoy/cgroups/group"
	"codeberg.org/hoy/hoy/engine/rootless"
)

// What callers of runc look for in its messages (containerd, pkg/process; podman, libpod/oci_util.go): the texts are runc's.
var (
	ErrNotExist   = errors.New("container does not exist")
	ErrExists     = errors.New("container with given ID already exists")
	ErrNotRunning = errors.New("container not running")
	ErrInvalidID  = errors.New("invalid container ID format")
	ErrStarted    = errors.New("cannot start an already running container")
	ErrStopped    = errors.New("cannot start a container that has stopped")
	ErrPaused     = errors.New("container is paused") // of exec
	ErrNotPaused  = errors.New("container not paused")
)

// ErrWide is something that needs the whole program: the caller goes on and asks again with a Host.
var ErrWide = errors.New("not here")

// Runtime is where containers are kept, and what they can be given.
type Runtime struct {
	Root          string // a directory of 0700: one directory in it for each container
	SystemdCgroup bool   // linux.cgroupsPath is slice:prefix:name
	Rootless      bool   // not root on the host: limits that cannot be had are gone without
	Host          *Host  // nil: only what needs no wide library can be done
	Warn          func(error)

	began *bool // set when the container's process is born: then there is no way back to the whole program
}

// Host is what needs wide libraries.
type Host struct {
	Filter func(*specs.LinuxSeccomp) (program []byte, flags uint, err error)
	// Groups makes a container's control groups.
	Groups func(GroupOptions) (*group.Group, error)
}

// GroupOptions describe the control groups of one container.
type GroupOptions struct {
	ID        string
	Path      string // linux.cgroupsPath, or the runtime's choice
	Anywhere  bool   // Path is the runtime's choice
	Systemd   bool
	Resources *specs.LinuxResources
	Record    func(*group.Group) error // called before any of it is made
}

// DefaultRoot is where containers are kept when nobody says otherwise.
func DefaultRoot() string {
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" && (os.Geteuid() != 0 || rootless.InUserns()) {
		return path.Join(dir, "hoy-oci")
	}
	return "/run/hoy-oci"
}

// FilterCache is the directory that keeps compiled seccomp filters. Its name is no container's.
func (r *Runtime) FilterCache() string { return path.Join(r.Root, ",seccomp") }

// dir is the directory of one container.
func (r *Runtime) dir(id string) (string, error) {
	if err := checkID(id); err != nil {
		return "", err
	}
	return path.Join(r.Root, id), nil
}

// checkID holds an id against runc's rules: it becomes a file name.
func checkID(id string) error {
	bad := id == "" || id == "." || id == ".." || len(id) > 1024
	for _, c := range []byte(id) {
		bad = bad || !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("_+-.", c) >= 0)
	}
	if bad {
		return fmt.Errorf("%w: %q", ErrInvalidID, id)
	}
	return nil
}

// List gives all containers. One whose state cannot be read is left out and said.
func (r *Runtime) List() ([]*Container, error) {
	entries, err := os.ReadDir(r.Root)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	var list []*Container
	for _, e := range entries {
		if checkID(e.Name()) != nil {
			continue
		}
		c, loadErr := r.Load(e.Name())
		switch {
		case errors.Is(loadErr, ErrNotExist): // one that is being made, or was removed meanwhile
		case loadErr != nil:
			r.Warn(fmt.Errorf("container %s: %w", e.Name(), loadErr))
		default:
			list = append(list, c)
		}
	}
	return list, err
}

// lock locks a container's directory against other commands that change it; it is freed with the file.
func lock(dir string, wait bool) (*os.File, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	how := unix.LOCK_EX
	if !wait {
		how |= unix.LOCK_NB
	}
	for err = unix.EINTR; err == unix.EINTR; {
		err = unix.Flock(int(f.Fd()), how)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	return f, nil
}

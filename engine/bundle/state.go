package bundle

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"codeberg.org/hoy/hoy/cgroups/group"
	"codeberg.org/hoy/hoy/oci/runtime"
)

// The files of a container's directory.
const (
	stateFile  = "state.json"  // State: with it the container exists
	configFile = "config.json" // the specification as it was when the container was created
	socketFile = "start.sock"  // where the container's process waits for start
	markFile   = "created"     // locked by that process until its command runs
)

// stateVersion is the version that State files carry.
const stateVersion = 1

// State is what is stored of a container. What it does is asked of the kernel.
type State struct {
	Version     int               `json:"version"`
	OCIVersion  string            `json:"ociVersion"`
	ID          string            `json:"id"`
	Bundle      string            `json:"bundle"`
	Rootfs      string            `json:"rootfs"`
	Created     time.Time         `json:"created"`
	Owner       int               `json:"owner"` // the uid that created it
	Annotations map[string]string `json:"annotations,omitempty"`
	Process     runtime.Ref       `json:"process"`
	Group       *group.Group      `json:"group,omitempty"`
	// Beneath is the mount that the root's directory is in, of a container without a mount namespace: what is mounted over it is the container's.
	Beneath uint64 `json:"beneath,omitempty"`
}

// Container is one container as it was when it was looked at.
type Container struct {
	State
	Status specs.ContainerState // creating, created, running, stopped; StatusPaused
	dir    string
	r      *Runtime
}

// StatusPaused is runc's, beside those of the specification.
const StatusPaused specs.ContainerState = "paused"

// Load reads a container.
func (r *Runtime) Load(id string) (*Container, error) {
	dir, err := r.dir(id)
	if err != nil {
		return nil, err
	}
	c := &Container{dir: dir, r: r}
	data, err := os.ReadFile(path.Join(dir, stateFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNotExist
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(data, &c.State); err != nil {
		return nil, fmt.Errorf("decode %s: %w", path.Join(dir, stateFile), err)
	}
	if c.Version > stateVersion {
		return nil, fmt.Errorf("container %s was written by a newer hoy", id)
	}
	c.Status = c.status()
	return c, nil
}

// status asks the kernel. The mark is locked by the process that waits for start, and closed when it executes the command; the directory is locked
// by who creates the container.
func (c *Container) status() specs.ContainerState {
	switch {
	case c.Process.Pid == 0 && c.beingMade():
		return specs.StateCreating
	case !c.Process.Alive():
		return specs.StateStopped
	case locked(path.Join(c.dir, markFile)):
		if c.beingMade() {
			return specs.StateCreating
		}
		return specs.StateCreated
	case c.Group.Frozen():
		return StatusPaused
	}
	return specs.StateRunning
}

func (c *Container) beingMade() bool {
	f, err := lock(c.dir, false)
	if err == nil {
		f.Close()
	}
	return errors.Is(err, unix.EWOULDBLOCK)
}

// locked says whether anybody holds the lock of a file. Asking disturbs nobody (fcntl(2), F_OFD_GETLK).
func locked(file string) bool {
	f, err := os.Open(file)
	if err != nil {
		return false
	}
	defer f.Close()
	l := unix.Flock_t{Type: unix.F_WRLCK}
	return unix.FcntlFlock(f.Fd(), unix.F_OFD_GETLK, &l) == nil && l.Type != unix.F_UNLCK
}

// newMark makes the mark, locked.
func newMark(dir string) (*os.File, error) {
	f, err := os.OpenFile(path.Join(dir, markFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	l := unix.Flock_t{Type: unix.F_WRLCK}
	if err := unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &l); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	return f, nil
}

// save writes the state beside its place and renames it.
func (c *Container) save() error {
	data, err := json.Marshal(&c.State)
	if err != nil {
		return err
	}
	return writeFile(c.dir, stateFile, data)
}

func writeFile(dir, name string, data []byte) error {
	beside := path.Join(dir, "."+name)
	if err := os.WriteFile(beside, data, 0o600); err != nil {
		return err
	}
	return os.Rename(beside, path.Join(dir, name))
}

// Spec is the specification as it was when the container was created.
func (c *Container) Spec() (*specs.Spec, error) { return readSpec(path.Join(c.dir, configFile)) }

// OCI is the container's state in the specification's form, with a status that the caller may know better.
func (c *Container) OCI(status specs.ContainerState) *specs.State {
	s := &specs.State{Version: c.OCIVersion, ID: c.ID, Status: status, Bundle: c.Bundle, Annotations: c.Annotations}
	if status != specs.StateStopped {
		s.Pid = c.Process.Pid
	}
	return s
}

// hookState is what a hook gets on its standard input.
func (c *Container) hookState(status specs.ContainerState) ([]byte, error) {
	return json.Marshal(c.OCI(status))
}

package bundle

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"codeberg.org/hoy/hoy/engine/rootless"
	"codeberg.org/hoy/hoy/oci/child"
	"codeberg.org/hoy/hoy/oci/plan"
	"codeberg.org/hoy/hoy/oci/runtime"
	"codeberg.org/hoy/hoy/oci/seccomp/kept"
)

// readSpec reads a specification.
func readSpec(file string) (*specs.Spec, error) {
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("JSON specification file %s not found", path.Base(file))
	}
	if err != nil {
		return nil, err
	}
	return parseSpec(data)
}

// parseSpec decodes a specification of any version 1.
func parseSpec(data []byte) (*specs.Spec, error) {
	s := new(specs.Spec)
	if err := json.Unmarshal(data, s); err != nil {
		return nil, fmt.Errorf("decode the specification: %w", err)
	}
	if !strings.HasPrefix(s.Version, "1.") {
		return nil, fmt.Errorf("ociVersion %q of the specification is not supported: hoy takes 1.x", s.Version)
	}
	if s.Linux == nil && s.Windows == nil && s.Solaris == nil && s.VM == nil && s.ZOS == nil {
		s.Linux = &specs.Linux{} // what is not said is the runtime's choice
	}
	return s, nil
}

// compile makes the plan of the container's start.
func (r *Runtime) compile(c *Container, s *specs.Spec, o *CreateOptions) (*child.Plan, error) {
	userns := rootless.InUserns()
	host, err := plan.ReadHost(userns)
	if err != nil {
		return nil, err
	}
	for _, ns := range s.Linux.Namespaces {
		userns = userns || ns.Type == specs.UserNamespace
	}
	options := plan.Options{Host: host, Rootless: userns, Filter: r.filter, Groups: ownGroups(c, s, &host)}
	if !o.NoNewKeyring {
		options.Keyring = "_ses." + c.ID
	}
	p, err := plan.Compile(s, options)
	if err != nil {
		return nil, err
	}
	p.KeepFDs, p.NoPivot = o.PreserveFDs, o.NoPivot
	return p, nil
}

func (r *Runtime) filter(p *specs.LinuxSeccomp) ([]byte, uint, error) {
	if filter, flags, ok := kept.Find(r.FilterCache(), p, ""); ok {
		return filter, flags, nil
	}
	if r.Host == nil {
		return nil, 0, ErrWide
	}
	return r.Host.Filter(p)
}

// mounted runs the hooks of a container that is mounted, and gives the state for those that the child runs.
func (c *Container) mounted(hooks *child.Hooks) func(*runtime.Process) ([]byte, error) {
	return func(*runtime.Process) ([]byte, error) {
		state, err := c.hookState(specs.StateCreating)
		if err != nil {
			return nil, err
		}
		return state, hooks.Mounted(context.Background(), state)
	}
}

// started runs the hooks of a container whose command runs.
func (c *Container) started(s *specs.Spec) error {
	return c.late(s, specs.StateRunning, (*child.Hooks).Started)
}

// stopped runs the hooks of a container that has ended.
func (c *Container) stopped(s *specs.Spec) error {
	return c.late(s, specs.StateStopped, (*child.Hooks).Stopped)
}

func (c *Container) late(s *specs.Spec, status specs.ContainerState, run func(*child.Hooks, []byte, func(error))) error {
	if s.Hooks == nil {
		return nil
	}
	hooks, err := plan.Hooks(s.Hooks)
	if err != nil {
		return err
	}
	state, err := c.hookState(status)
	if err != nil {
		return err
	}
	run(&hooks, state, c.r.Warn)
	return nil
}

// Ended is the exit code of this program run again in a user namespace: there is nothing left to do.
type Ended int

func (e Ended) Error() string { return fmt.Sprintf("ended with %d", int(e)) }

// enterUserns has an ordinary user enter the user namespace that the specification asks for, and then takes it for entered: what needs privileges is done
// in it, before the container is.
func enterUserns(s *specs.Spec) error {
	i := slices.IndexFunc(s.Linux.Namespaces, func(n specs.LinuxNamespace) bool { return n.Type == specs.UserNamespace && n.Path == "" })
	if i < 0 {
		return nil
	}
	if rootless.Exactly() {
		s.Linux.Namespaces = slices.Delete(s.Linux.Namespaces, i, i+1)
		s.Linux.UIDMappings, s.Linux.GIDMappings = nil, nil
		return nil
	}
	if os.Geteuid() == 0 {
		return nil
	}
	m := plan.IDMap(s.Linux.UIDMappings, s.Linux.GIDMappings)
	if m == nil {
		return errors.New("a user namespace needs uidMappings and gidMappings")
	}
	return Ended(rootless.InsideExactly(m))
}

package build

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"codeberg.org/hoy/hoy/build/cache"
	"codeberg.org/hoy/hoy/oci"
	"codeberg.org/hoy/hoy/storage"
)

const (
	scriptDir = "/dev/pipes"      // where BuildKit puts a here-document that is a program
	hostname  = "buildkitsandbox" // BuildKit's name of every RUN's machine
)

// runOp is RUN.
type runOp struct {
	runKey
	proxies []string // environment that is in no key
}

// runKey is what a RUN consumes.
type runKey struct {
	Parent  string
	Args    []string
	Env     []string
	User    string     `json:",omitempty"`
	Cwd     string     `json:",omitempty"`
	Network string     // DefaultNetwork, "host" or "none"
	Script  *script    `json:",omitempty"`
	Mounts  []runMount `json:",omitempty"`
}

// script is a here-document that is run as a program.
type script struct{ Name, Data string }

func (o *runOp) again() bool { return true }

func (o *runOp) inputs() []*step {
	var steps []*step
	for i := range o.Mounts {
		if o.Mounts[i].hasFrom {
			steps = append(steps, o.Mounts[i].from)
		}
	}
	return steps
}

// prepare names the context's files that are mounted.
func (o *runOp) prepare(ctx context.Context, x *executor) error {
	for i := range o.Mounts {
		if m := &o.Mounts[i]; m.context {
			if err := m.selectContext(ctx, x); err != nil {
				return err
			}
		}
	}
	return nil
}

// quickKey names mounted roots by identity; key names the mounted files by content.
func (o *runOp) quickKey(in *inputs) (string, error) {
	if len(in.others) == 0 {
		return "", nil
	}
	k := o.runKey
	k.Parent = in.parent.id
	k.Mounts = append([]runMount(nil), o.Mounts...)
	next := 0
	for i := range k.Mounts {
		if k.Mounts[i].hasFrom {
			k.Mounts[i].From = in.others[next].id
			next++
		}
	}
	return cache.Key("run with", k)
}

func (o *runOp) key(ctx context.Context, x *executor, in *inputs) (string, error) {
	next := 0
	for i := range o.Mounts {
		m := &o.Mounts[i]
		if !m.hasFrom {
			continue
		}
		if err := m.selectFrom(ctx, x, in.others[next]); err != nil {
			return "", err
		}
		next++
	}
	k := o.runKey
	k.Parent = in.parent.id
	return cache.Key("run", k)
}

func (o *runOp) run(ctx context.Context, x *executor, in *inputs, to *storage.Stage) (err error) {
	if x.options.Runner == nil {
		return errors.New("RUN cannot be done here: there is nothing to run containers with")
	}
	temp, err := x.tempDir(ctx)
	if err != nil {
		return err
	}
	if temp, err = os.MkdirTemp(temp, "run"); err != nil {
		return err
	}
	spec := RunSpec{
		Lower: in.parent.lower, Upper: to.Dir, Work: to.Work,
		Stdout: in.step.show, Stderr: in.step.show,
		Config: oci.Config{
			Version: oci.ConfigVersion, Cmd: o.Args, Env: append(append([]string(nil), o.Env...), o.proxies...),
			User: o.User, WorkingDir: o.Cwd, Network: o.Network, Hostname: hostname,
		},
	}
	if len(spec.Lower) == 0 {
		spec.Lower = []string{filepath.Join(temp, "empty")} // overlay wants at least one
		if err := os.Mkdir(spec.Lower[0], 0o755); err != nil {
			return err
		}
	}
	m := &mounting{executor: x, spec: &spec, temp: temp}
	defer func() { err = errors.Join(err, m.release()) }()
	if err := m.all(ctx, o); err != nil {
		return err
	}
	stubs, err := findStubs(in.parent.lower, m.targets, x.rootOptions())
	if err != nil {
		return err
	}
	if err := x.options.Runner.Run(ctx, spec); err != nil {
		return o.failure(ctx, err)
	}
	return stubs.remove(to.Dir)
}

// failure gives a command's status BuildKit's words.
func (o *runOp) failure(ctx context.Context, err error) error {
	var exit *ExitError
	if !errors.As(err, &exit) {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return fmt.Errorf("process %q did not complete successfully: %w", strings.Join(o.Args, " "), err)
}

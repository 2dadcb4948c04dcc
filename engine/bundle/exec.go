package bundle

import (
	"errors"
	"fmt"
	"os"
	"path"

	"github.com/opencontainers/runtime-spec/specs-go"

	"codeberg.org/hoy/hoy/oci/runtime"
)

// ExecOptions are those of `exec`.
type ExecOptions struct {
	Process       *specs.Process
	PidFile       string
	ConsoleSocket string
	PidfdSocket   string
	PreserveFDs   int
	Detach        bool
	IgnorePaused  bool
	Cgroup        string // version 2: a group below the container's own
	Stdio         [3]*os.File
	// Console connects the caller's terminal with the process's, until done is called.
	Console func(master *os.File) (done func(), err error)
}

// Exec runs one more process in a container. In the foreground it gives that one's exit code.
func (c *Container) Exec(o ExecOptions) (int, error) {
	switch c.Status {
	case specs.StateStopped:
		return 0, errors.New("cannot exec in a stopped container")
	case StatusPaused:
		if !o.IgnorePaused {
			return 0, errors.New("cannot exec in a paused container (use --ignore-paused to override)")
		}
	}
	create := CreateOptions{
		ConsoleSocket: o.ConsoleSocket, PidFile: o.PidFile, PidfdSocket: o.PidfdSocket, PreserveFDs: o.PreserveFDs,
		Stdio: o.Stdio, attached: !o.Detach,
	}
	p, agent, err := c.execPlan(&o, &create)
	if err != nil {
		return 0, err
	}
	defer agent.close()
	between, err := create.interpose(o.Detach || p.Terminal)
	start := runtime.StartOptions{
		Stdin: create.Stdio[0], Stdout: create.Stdio[1], Stderr: create.Stdio[2], ExtraFiles: preserved(o.PreserveFDs),
		Notify: agent.take,
	}
	var process *runtime.Process
	if err == nil {
		process, err = c.enter(p, &o, start)
	}
	between.handOver()
	if err != nil {
		return 0, err
	}
	if err := create.announce(process); err != nil {
		process.Kill()
		return 0, err
	}
	if o.Detach {
		return 0, nil
	}
	return attend(process, o.Console, between)
}

// enter starts the process in the container's control groups.
func (c *Container) enter(p *runtime.ExecPlan, o *ExecOptions, start runtime.StartOptions) (*runtime.Process, error) {
	g := c.Group
	if o.Cgroup != "" {
		if g == nil || !g.Unified {
			return nil, errors.New("--cgroup needs control groups version 2")
		}
		sub := *g
		sub.Dirs = map[string]string{"": path.Join(g.Dir(""), path.Join("/", o.Cgroup))}
		g = &sub
	}
	procs, into, err := g.Enter()
	if err != nil {
		return nil, fmt.Errorf("enter the control group: %w", err)
	}
	if start.CgroupProcs, start.CgroupFD = procs, into; into != nil {
		defer into.Close()
	}
	return runtime.Exec(p, start)
}

// execPlan compiles the process by the container's specification.
func (c *Container) execPlan(o *ExecOptions, create *CreateOptions) (*runtime.ExecPlan, *agent, error) {
	spec, err := c.Spec()
	if err != nil {
		return nil, nil, err
	}
	spec.Process, spec.Hooks = o.Process, nil
	spec.Root.Path = c.Rootfs
	if err := c.r.checkConsole(spec, create); err != nil {
		return nil, nil, err
	}
	p, err := c.r.compile(c, spec, create)
	if err != nil {
		return nil, nil, err
	}
	agent, err := c.agent(spec)
	return &runtime.ExecPlan{
		Pid: c.Process.Pid, StartTime: c.Process.StartTime,
		Args: p.Args, Env: p.Env, Cwd: p.Cwd, IDs: p.IDs, Umask: p.Umask,
		Terminal: p.Terminal, Rows: p.Rows, Cols: p.Cols,
		NoNewPrivileges: p.NoNewPrivileges, Seccomp: p.Seccomp, SeccompFlags: p.SeccompFlags,
		AppArmor: p.AppArmor, SELinux: p.SELinux,
		Caps: p.Caps, Rlimits: p.Rlimits, KeepFDs: o.PreserveFDs,
	}, agent, err
}

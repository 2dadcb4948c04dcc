package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"codeberg.org/hoy/hoy/engine/bundle"
	"codeberg.org/hoy/hoy/engine/cli/flags"
)

// ociExecOptions are the flags of `oci exec`, over the container's own process.
type ociExecOptions struct {
	bundle.ExecOptions
	process, user, cwd, apparmor, label string
	env, caps, groups                   []string
	tty, noNewPrivs                     bool
}

// codeExec is runc's exit code of an exec that did not come to its command.
const codeExec = 255

func ociExecCommand(s *session) *command {
	var o ociExecOptions
	return &command{
		args:    "[OPTIONS] CONTAINER COMMAND [ARG...]",
		short:   "Run one more process in a container",
		min:     1,
		max:     -1,
		ordered: true,
		flags: []*flags.Flag{
			flags.List(&o.groups, "additional-gids,g", "Additional group ids"),
			flags.String(&o.apparmor, "apparmor", "AppArmor profile of the process"),
			flags.List(&o.caps, "cap,c", "Add a capability to the bounding, effective and permitted sets"),
			flags.String(&o.Cgroup, "cgroup", "Control group below the container's own (version 2)"),
			flags.String(&o.ConsoleSocket, "console-socket", "Unix socket that gets the terminal's master").From("file"),
			flags.String(&o.cwd, "cwd", "Working directory in the container"),
			flags.Bool(&o.Detach, "detach,d", "Leave the process alone when it runs"),
			flags.List(&o.env, "env,e", "Set environment variables"),
			flags.Bool(&o.IgnorePaused, "ignore-paused", "Allow an exec in a paused container"),
			flags.Bool(&o.noNewPrivs, "no-new-privs", "Set no_new_privs"),
			flags.String(&o.PidFile, "pid-file", "File that gets the process's id").From("file"),
			flags.String(&o.PidfdSocket, "pidfd-socket", "Unix socket that gets a pidfd of the process").From("file"),
			flags.Int(&o.PreserveFDs, "preserve-fds", "Number of descriptors from 3 on that the command gets"),
			flags.String(&o.process, "process,p", "File with the process, as in config.json").From("file"),
			flags.String(&o.label, "process-label", "SELinux label of the process"),
			flags.Bool(&o.tty, "tty,t", "Allocate a pseudo-TTY"),
			flags.String(&o.user, "user,u", "UID[:GID]"),
		},
		run: s.runtimeRun("exec failed", func(r *bundle.Runtime, args []string) error { return s.ociExec(r, o, args) }),
	}
}

func (s *session) ociExec(r *bundle.Runtime, o ociExecOptions, args []string) error {
	code, err := s.ociExecCode(r, o, args)
	if err != nil {
		return coded{err, codeExec}
	}
	return status(code)
}

func (s *session) ociExecCode(r *bundle.Runtime, o ociExecOptions, args []string) (int, error) {
	c, err := r.Load(args[0])
	if err != nil {
		return 0, err
	}
	if o.Process, err = o.wanted(c, args[1:]); err != nil {
		return 0, err
	}
	if o.PidFile != "" {
		if o.PidFile, err = filepath.Abs(o.PidFile); err != nil {
			return 0, err
		}
	}
	o.Stdio, o.Console = [3]*os.File{s.In, s.Out, s.Err}, s.relay
	return c.Exec(o.ExecOptions)
}

// wanted is the process to run: of --process, or the container's own with another command and what the flags say.
func (o *ociExecOptions) wanted(c *bundle.Container, cmd []string) (*specs.Process, error) {
	if o.process != "" {
		data, err := os.ReadFile(o.process)
		if err != nil {
			return nil, err
		}
		p := new(specs.Process)
		if err := json.Unmarshal(data, p); err != nil {
			return nil, fmt.Errorf("decode %s: %w", o.process, err)
		}
		return p, nil
	}
	if len(cmd) == 0 {
		return nil, errors.New("process args cannot be empty")
	}
	spec, err := c.Spec()
	if err != nil {
		return nil, err
	}
	p := spec.Process
	if p == nil {
		p = &specs.Process{Cwd: "/"}
	}
	p.Args, p.Terminal, p.ConsoleSize = cmd, o.tty, nil
	p.Env = append(p.Env, o.env...)
	p.NoNewPrivileges = p.NoNewPrivileges || o.noNewPrivs
	for _, set := range []struct {
		to    *string
		value string
	}{{&p.Cwd, o.cwd}, {&p.ApparmorProfile, o.apparmor}, {&p.SelinuxLabel, o.label}} {
		if set.value != "" {
			*set.to = set.value
		}
	}
	o.addCaps(p)
	return p, o.identify(&p.User)
}

func (o *ociExecOptions) addCaps(p *specs.Process) {
	if len(o.caps) == 0 {
		return
	}
	if p.Capabilities == nil {
		p.Capabilities = &specs.LinuxCapabilities{}
	}
	// Never inheritable ones (CVE-2022-29162).
	for _, set := range []*[]string{&p.Capabilities.Bounding, &p.Capabilities.Effective, &p.Capabilities.Permitted} {
		*set = append(slices.Clip(*set), o.caps...)
	}
}

// identify reads UID[:GID] and the additional groups.
func (o *ociExecOptions) identify(u *specs.User) error {
	if o.user != "" {
		uid, gid, both := strings.Cut(o.user, ":")
		n, err := parseID(uid)
		if err != nil {
			return fmt.Errorf("parsing uid failed: %w", err)
		}
		u.UID = n
		if both {
			if u.GID, err = parseID(gid); err != nil {
				return fmt.Errorf("parsing gid failed: %w", err)
			}
		}
	}
	for _, g := range o.groups {
		gid, err := parseID(g)
		if err != nil {
			return fmt.Errorf("parsing gid failed: %w", err)
		}
		u.AdditionalGids = append(u.AdditionalGids, gid)
	}
	return nil
}

// parseID reads an id. Those above 2³¹-1 are what a program makes of an overflow (CVE-2024-40635).
func parseID(s string) (uint32, error) {
	n, err := strconv.ParseUint(s, 10, 31)
	return uint32(n), err
}

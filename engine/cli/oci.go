package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	goruntime "runtime"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"codeberg.org/hoy/hoy/cgroups"
	cgroup "codeberg.org/hoy/hoy/cgroups/group"
	"codeberg.org/hoy/hoy/engine"
	"codeberg.org/hoy/hoy/engine/bundle"
	"codeberg.org/hoy/hoy/engine/cli/flags"
	"codeberg.org/hoy/hoy/engine/rootless"
	"codeberg.org/hoy/hoy/oci/seccomp"
)

// runtimeName is argv[0] of hoy as an OCI runtime: what it is given then comes after "oci".
const runtimeName = "hoy-oci"

// runtimeOptions are the flags of `hoy oci` itself. They are runc's.
type runtimeOptions struct {
	root, rootless          string
	log                     bundle.Log
	debug, systemd, version bool
}

var runtimeCommands = []node{
	{name: "create", make: ociCreateCommand},
	{name: "delete", make: ociDeleteCommand},
	{name: "events", make: ociEventsCommand},
	{name: "exec", make: ociExecCommand},
	{name: "features", make: ociFeaturesCommand},
	{name: "kill", make: ociKillCommand},
	{name: "list", make: ociListCommand},
	{name: "pause", make: ociPauseCommand},
	{name: "ps", make: ociPsCommand},
	{name: "resume", make: ociResumeCommand},
	{name: "run", make: ociRunCommand},
	{name: "spec", make: ociSpecCommand},
	{name: "start", make: ociStartCommand},
	{name: "state", make: ociStateCommand},
	{name: "update", make: ociUpdateCommand},
}

func ociCommand(s *session) *command {
	o := &s.runtime
	o.log.Format, o.rootless = "text", "auto"
	return &command{
		args:  "[OPTIONS] COMMAND",
		short: "Run containers of OCI bundles, as other engines have runc or crun do",
		subs:  runtimeCommands,
		flags: []*flags.Flag{
			flags.Bool(&o.debug, "debug", "Enable debug logging"),
			flags.String(&o.log.File, "log", "Write errors and warnings to a file too").From("file"),
			flags.String(&o.log.Format, "log-format", "Format of that file").OneOf("text", "json"),
			flags.String(&o.root, "root", "Directory of the containers' states (default: /run/hoy-oci, or hoy-oci in XDG_RUNTIME_DIR)").From("dir"),
			flags.String(&o.rootless, "rootless", "Go without control groups where there are none to be had").OneOf("true", "false", "auto"),
			flags.Bool(&o.systemd, "systemd-cgroup", "Have systemd make control groups: cgroupsPath is slice:prefix:name"),
			flags.Bool(&o.version, "version,v", "Print version information and quit"),
		},
	}
}

// runtimeRun is what each of the commands does: it gives the runtime, and has an error said in the log too.
func (s *session) runtimeRun(what string, do func(*bundle.Runtime, []string) error) func(context.Context, []string) error {
	return func(_ context.Context, args []string) error {
		r, err := s.ociRuntime()
		if err == nil {
			err = do(r, args)
		}
		var ended bundle.Ended
		if errors.As(err, &ended) {
			return status(int(ended))
		}
		var own exitStatus
		if err == nil || errors.As(err, &own) {
			return err
		}
		s.logRuntime("error", fmt.Errorf("%s: %w", what, err))
		return runtimeError(what, err)
	}
}

// runtimeError says what failed, without the hints of other commands, whose flags these have not.
func runtimeError(what string, err error) error {
	said := errors.New(what + ": " + err.Error())
	var own coded
	if errors.As(err, &own) {
		return coded{said, own.code}
	}
	return said
}

func (s *session) ociRuntime() (*bundle.Runtime, error) {
	o := &s.runtime
	r := &bundle.Runtime{Root: o.root, SystemdCgroup: o.systemd, Rootless: os.Geteuid() != 0 || rootless.InUserns()}
	switch o.rootless {
	case "auto":
	case "true", "false":
		r.Rootless = o.rootless == "true"
	default:
		return nil, fmt.Errorf("invalid value for --rootless: %q", o.rootless)
	}
	if err := o.log.Valid(); err != nil {
		return nil, err
	}
	if r.Root == "" {
		r.Root = bundle.DefaultRoot()
	}
	root, err := filepath.Abs(r.Root)
	r.Root = root
	r.Warn = func(err error) {
		s.logRuntime("warning", err)
		fmt.Fprintf(s.Err, "%s: warning: %v\n", s.name, err)
	}
	host := cgroups.Detect(cgroups.Options{Rootless: r.Rootless, UID: os.Geteuid()})
	r.Host = &bundle.Host{
		Filter: func(p *specs.LinuxSeccomp) ([]byte, uint, error) {
			prog, err := seccomp.CompileCached(r.FilterCache(), p, "")
			if err != nil {
				return nil, 0, err
			}
			return prog.Filter, prog.Flags, nil
		},
		Groups: func(o bundle.GroupOptions) (*cgroup.Group, error) { return host.MakeBundle(cgroups.BundleOptions(o)) },
	}
	return r, err
}

// printRuntimeVersion is runc's form, which engines show.
func (s *session) printRuntimeVersion() error {
	_, err := fmt.Fprintf(s.Out, "hoy-oci version %s\ncommit: %s\nspec: %s\ngo: %s\n", engine.Release, cmp.Or(buildVersion, "unknown"), specs.Version, goruntime.Version())
	return err
}

// logRuntime writes a line into the file of --log.
func (s *session) logRuntime(level string, err error) {
	if err := s.runtime.log.Write(level, err); err != nil {
		fmt.Fprintf(s.Err, "%s: %v\n", s.name, err)
	}
}

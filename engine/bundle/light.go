package bundle

import (
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// Enter does a call of `hoy oci` before any wide library is initialised, and ends the process, when it is one that needs none: args are the
// words after "oci". It returns when it has done nothing: what is wrong, unusual or not known here is the whole program's. So no error is said here that
// comes before something was done, and only plain forms of flags are known.
func Enter(args []string) {
	l, ok := readLine(args)
	if !ok {
		return
	}
	r := &Runtime{Root: l.root, Rootless: os.Geteuid() != 0, Warn: func(err error) {
		l.write("warning", err)
		fmt.Fprintf(os.Stderr, "hoy: warning: %v\n", err)
	}}
	if r.Root == "" {
		r.Root = DefaultRoot()
	}
	if !path.IsAbs(r.Root) || r.Rootless {
		return
	}
	code, err := l.do(r)
	if err == nil {
		os.Exit(code)
	}
	if !errors.Is(err, ErrWide) && l.began {
		err = fmt.Errorf("%s failed: %w", l.verb, err)
		l.write("error", err)
		fmt.Fprintf(os.Stderr, "hoy: %v\n", err)
		os.Exit(1)
	}
}

func (l *line) write(level string, said error) {
	if err := l.log.Write(level, said); err != nil {
		fmt.Fprintf(os.Stderr, "hoy: %v\n", err)
	}
}

// line is a command line that is known here.
type line struct {
	root, verb, id string
	log            Log
	systemd        bool // --systemd-cgroup
	create         CreateOptions
	detach, keep   bool
	began          bool // something was done that cannot be done again
}

// readLine reads a command line; ok is false when it is the whole program's to read.
func readLine(args []string) (l line, ok bool) {
	l.log.Format = "text"
	for len(args) > 0 && strings.HasPrefix(args[0], "-") {
		if args, ok = l.globalFlag(args); !ok {
			return l, false
		}
	}
	if l.log.Valid() != nil || len(args) == 0 || !slices.Contains([]string{"create", "run", "start", "delete"}, args[0]) {
		return l, false
	}
	if l.verb, args = args[0], args[1:]; l.systemd && (l.verb == "create" || l.verb == "run") {
		return l, false // who talks to systemd is wide
	}
	for len(args) > 0 && strings.HasPrefix(args[0], "-") {
		if args, ok = l.flag(args); !ok {
			return l, false
		}
	}
	if len(args) != 1 || checkID(args[0]) != nil {
		return l, false
	}
	l.id = args[0]
	return l, true
}

// globalFlag takes one flag of the runtime itself.
func (l *line) globalFlag(args []string) (rest []string, ok bool) {
	if args[0] == "--systemd-cgroup" {
		l.systemd = true
		return args[1:], true
	}
	return setFlag(args, []valued{{"--root", &l.root}, {"--log", &l.log.File}, {"--log-format", &l.log.Format}})
}

// flag takes one flag of the command.
func (l *line) flag(args []string) (rest []string, ok bool) {
	switch l.verb {
	case "start":
		return nil, false
	case "delete":
		return args[1:], args[0] == "--force" || args[0] == "-f" // only what has ended is removed here
	}
	o := &l.create
	if rest, ok := setFlag(args, []valued{{"--bundle", &o.Bundle}, {"-b", &o.Bundle}, {"--pid-file", &o.PidFile}, {"--console-socket", &o.ConsoleSocket}}); ok {
		return rest, true
	}
	switch args[0] {
	case "--no-pivot":
		o.NoPivot = true
		return args[1:], true
	case "--no-new-keyring":
		o.NoNewKeyring = true
		return args[1:], true
	case "-d", "--detach":
		l.detach = true
	case "--keep":
		l.keep = true
	default:
		return nil, false
	}
	return args[1:], l.verb == "run"
}

// valued is a flag that takes a value, and where that goes.
type valued struct {
	name string
	to   *string
}

func setFlag(args []string, known []valued) (rest []string, ok bool) {
	for _, f := range known {
		if value, rest, ok := flagValue(args, f.name); ok {
			*f.to = value
			return rest, true
		}
	}
	return nil, false
}

// flagValue takes "--name value" or "--name=value".
func flagValue(args []string, name string) (value string, rest []string, ok bool) {
	if value, ok := strings.CutPrefix(args[0], name+"="); ok {
		return value, args[1:], true
	}
	if args[0] != name || len(args) < 2 {
		return "", nil, false
	}
	return args[1], args[2:], true
}

// do runs the command.
func (l *line) do(r *Runtime) (code int, err error) {
	if l.verb == "create" || l.verb == "run" {
		l.create.Stdio = [3]*os.File{os.Stdin, os.Stdout, os.Stderr}
		if l.create.PidFile != "" && !path.IsAbs(l.create.PidFile) {
			return 0, ErrWide
		}
		r.began = &l.began
	}
	switch l.verb {
	case "create":
		return 0, r.Create(l.id, l.create)
	case "run":
		return r.Run(l.id, RunOptions{CreateOptions: l.create, Detach: l.detach, Keep: l.keep})
	}
	c, err := r.Load(l.id)
	if err != nil {
		return 0, err
	}
	if l.verb == "delete" {
		if c.Status != specs.StateStopped {
			return 0, ErrWide
		}
		l.began = true
		return 0, c.Delete(false)
	}
	if c.Status != specs.StateCreated {
		return 0, ErrWide
	}
	l.began = true
	return 0, c.Start()
}

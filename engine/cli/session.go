package cli

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/sirupsen/logrus"

	"codeberg.org/hoy/hoy/engine"
	"codeberg.org/hoy/hoy/engine/cli/flags"
	"codeberg.org/hoy/hoy/engine/rootless"
)

// session is one call of hoy: its streams, its global options, and the engine once a command has opened it.
type session struct {
	engine.Streams
	name   string // "hoy", or "docker" when it was called so
	global struct {
		root, run     string
		config        string
		logLevel      string
		debug         bool
		versionWanted bool
	}
	runtime runtimeOptions // of `hoy oci`
	engine  *engine.Engine
}

func newSession(arg0 string) *session {
	s := &session{name: "hoy", Streams: engine.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}}
	if filepath.Base(arg0) == "docker" {
		s.name = "docker"
	}
	s.global.logLevel = "warn"
	return s
}

// globalFlags are the flags before the command. engine/rootless reads the same line before this program's libraries are up:
// a flag with a value must be known there too.
func (s *session) globalFlags() []*flags.Flag {
	g := &s.global
	return []*flags.Flag{
		flags.String(&g.config, "config", "Location of client config files: config.json there holds the credentials (default: DOCKER_CONFIG, else ~/.docker)").From("dir"),
		flags.Bool(&g.debug, "debug,D", "Enable debug mode"),
		flags.String(&g.logLevel, "log-level,l", `Set the logging level ("debug", "info", "warn", "error", "fatal")`).OneOf("debug", "info", "warn", "error", "fatal"),
		flags.String(&g.root, "root", "Directory of images, containers and volumes (default: HOY_ROOT, else the user's)").From("dir"),
		flags.String(&g.run, "run", "Directory of what does not outlive a boot (default: HOY_RUN, else the user's)").From("dir"),
		flags.Bool(&g.versionWanted, "version,v", "Print version information and quit"),
	}
}

// before runs when the global flags are known, and before the command.
func (s *session) before() error {
	if s.global.versionWanted {
		return s.printShortVersion()
	}
	level, err := logrus.ParseLevel(s.global.logLevel)
	if err != nil {
		return fmt.Errorf("unable to parse logging level: %s", s.global.logLevel)
	}
	if s.global.debug {
		level = logrus.DebugLevel
	}
	logrus.SetOutput(s.Err)
	logrus.SetLevel(level)
	if s.global.config != "" {
		return os.Setenv("REGISTRY_AUTH_FILE", filepath.Join(s.global.config, "config.json")) // and no other file, as Docker
	}
	return nil
}

// open gives the engine; the first call opens it.
func (s *session) open() (*engine.Engine, error) {
	if s.engine != nil {
		return s.engine, nil
	}
	e, err := engine.Open(engine.Options{
		Root:     s.global.root,
		Run:      s.global.run,
		Rootless: rootless.Rootless(),
		UID:      rootless.UID(),
		Outside:  rootless.Rootless() && !rootless.InUserns(),
	})
	s.engine = e
	return e, err
}

// print writes a line to the standard output.
func (s *session) print(a ...any) { fmt.Fprintln(s.Out, a...) }

// progress is where a pull may show how far it is.
func (s *session) progress(quiet bool) io.Writer {
	if quiet {
		return nil
	}
	return s.Err
}

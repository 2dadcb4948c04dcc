// Package engine is the life cycle of containers on disk and in the kernel: create, start, stop, remove, look at.
package engine

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"

	"codeberg.org/hoy/hoy/engine/monitor"
	"codeberg.org/hoy/hoy/netns"
	"codeberg.org/hoy/hoy/storage"
)

// The errors that callers test for. Their texts, and the texts of what wraps them, are Docker's.
var (
	// ErrNoContainer: no container has that name, id or prefix. Wrapped as "No such container: REF".
	ErrNoContainer = errors.New("no such container")
	// ErrAmbiguous: more than one container's id begins with the prefix.
	ErrAmbiguous = errors.New("ambiguous container reference")
	// ErrNameInUse: another container has the name.
	ErrNameInUse = errors.New("name in use")
	// ErrNotRunning: the command needs a running container.
	ErrNotRunning = errors.New("container is not running")
	// ErrRunning: the command needs a container that does not run.
	ErrRunning = errors.New("container is running")
	// ErrDetached: the user typed the detach keys. The container runs on. Docker prints this text after attach, start -a and exec, nothing after run.
	ErrDetached = errors.New("read escape sequence")
	// ErrNewer: a file on disk was written by a newer hoy.
	ErrNewer = monitor.ErrNewer
	// ErrNeedsUserns: a rootless call outside its user namespace was asked for what needs the namespace.
	ErrNeedsUserns = errors.New("needs the user namespace")
)

// Options say where an Engine keeps its files, and for whom it works.
type Options struct {
	Root string // "": HOY_ROOT, else /var/lib/hoy, rootless $XDG_DATA_HOME/hoy or ~/.local/share/hoy
	Run  string // "": HOY_RUN, else /run/hoy, rootless $XDG_RUNTIME_DIR/hoy or /tmp/hoy-run-UID

	Rootless bool // containers live in the user namespace of an ordinary user
	UID      int  // that user's id on the host; 0 for root
	Outside  bool // rootless, and this process is not in the user namespace: it reads, signals and joins, but makes and removes nothing
}

// Engine gives the containers below one root directory. Between calls it holds no lock and no open file, but an ordinary user's networks once Reach
// has joined them.
type Engine struct {
	Store *storage.Store // images, layers and volumes

	o   Options
	hub *netns.Hub // nil: as root, and until Reach
}

// Open returns the Engine of the root and run directories in o. It makes no directory until something is written.
func Open(o Options) (*Engine, error) {
	var err error
	if o.Root, err = rootDir(o); err != nil {
		return nil, err
	}
	if o.Run, err = runDir(o); err != nil {
		return nil, err
	}
	happened := func(h storage.Happening) { stored(o.Root, h) }
	store, err := storage.Open(storage.Options{Root: o.Root, Run: o.Run, Rootless: o.Rootless, Happened: happened})
	if err != nil {
		return nil, err
	}
	return &Engine{Store: store, o: o}, nil
}

// Root is the directory of what outlives a boot.
func (e *Engine) Root() string { return e.o.Root }

// RunDir is the directory of what does not outlive a boot.
func (e *Engine) RunDir() string { return e.o.Run }

const defaultRoot = "/var/lib/hoy"

func rootDir(o Options) (string, error) {
	if o.Root != "" {
		return filepath.Abs(o.Root)
	}
	if dir := os.Getenv("HOY_ROOT"); dir != "" {
		return filepath.Abs(dir)
	}
	if !o.Rootless {
		return defaultRoot, nil
	}
	if dir := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "hoy"), nil
	}
	home := os.Getenv("HOME")
	if home == "" {
		return "", errors.New("no place for containers and images: HOME is not set; set it, or use --root")
	}
	return filepath.Join(home, ".local/share/hoy"), nil
}

func runDir(o Options) (string, error) {
	if o.Run != "" {
		return filepath.Abs(o.Run)
	}
	if dir := os.Getenv("HOY_RUN"); dir != "" {
		return filepath.Abs(dir)
	}
	if !o.Rootless {
		return "/run/hoy", nil
	}
	if dir := os.Getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "hoy"), nil
	}
	return "/tmp/hoy-run-" + strconv.Itoa(o.UID), nil
}

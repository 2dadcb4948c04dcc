// Package build turns a Dockerfile into layers and an image: a graph of steps, keyed by what each consumes, run in parallel.
package build

import (
	"context"
	"fmt"
	"io"

	"codeberg.org/hoy/hoy/oci"
	"codeberg.org/hoy/hoy/storage"
)

// Runner runs the command of a RUN in a container of its own. engine/cli adapts the engine to it.
type Runner interface {
	// Run returns when the command has ended: nil for status 0, *ExitError for another. When ctx ends, the command and all that it
	// started are killed and Run returns after they are gone. Nothing stays mounted.
	Run(ctx context.Context, r RunSpec) error
}

// DefaultNetwork is the network of a RUN for which none is named: the Runner's own way out.
const DefaultNetwork = "default"

// RunSpec is one RUN: the root is an overlay of Lower (top first) under Upper.
type RunSpec struct {
	Lower       []string
	Upper, Work string
	// Config has Cmd (all arguments), Env, User, WorkingDir, Network (DefaultNetwork, "host" or "none"), Hostname and Mounts. There is no image.
	Config oci.Config
	// Overlays are mounted after Config.Mounts, in order.
	Overlays       []Overlay
	Stdout, Stderr io.Writer
}

// Overlay is a mount of merged directories in a RUN's root (RUN --mount=type=bind): Lower (top first, at least two) under Upper.
// It is a mount of type "overlay" with the options lowerdir, upperdir and workdir, and userxattr in a user namespace.
type Overlay struct {
	Target      string // absolute, inside the container
	Lower       []string
	Upper, Work string // "" for a read-only mount
	ReadOnly    bool
}

// ExitError says that a RUN's command ended with a status other than 0.
type ExitError struct {
	Code int // as a shell gives it: 128+N for a signal
}

func (e *ExitError) Error() string { return fmt.Sprintf("exit code: %d", e.Code) }

// Secret is where a build's secret comes from (--secret): a file, or a variable of hoy's environment.
type Secret struct {
	Path string
	Env  string // used when Path is empty
}

// Options is one `hoy build`.
type Options struct {
	Store    *storage.Store
	Runner   Runner
	Root     string // hoy's root directory; what builds keep is below <Root>/build
	Rootless bool   // in the user namespace of an ordinary user: overlay's attributes are user.overlay.*

	Context    string // a directory, or "-": Stdin is a Dockerfile or a tar with the context
	Dockerfile string // a path; "" is Dockerfile in the context; "-" is Stdin
	Stdin      io.Reader
	Stdout     io.Writer // gets the image id with Progress "quiet", else nothing
	Stderr     io.Writer // gets the progress and the warnings

	Tags      []string
	BuildArgs map[string]*string // nil: the value is taken from the environment, when it is there
	Target    string
	NoCache   bool
	Pull      bool // ask the registry for the base images though they are here
	Labels    map[string]string
	Secrets   map[string]Secret
	Network   string // of RUN: "", "default", "host" or "none"
	Platform  string // "" or this machine's
	Progress  string // "", "auto", "tty", "plain" or "quiet"
	IIDFile   string // the image id is written there
}

// Result is what a build made.
type Result struct {
	ImageID string // sha256:…
	Names   []string
}

package engine

import (
	"fmt"
	"os"
	"time"

	"codeberg.org/hoy/hoy/engine/monitor"
	"codeberg.org/hoy/hoy/oci"
	"codeberg.org/hoy/hoy/oci/health"
	"codeberg.org/hoy/hoy/oci/runtime"
)

// Container is one container as it was when it was read: a value, that nothing changes afterwards.
type Container struct {
	Config oci.Config
	State  State

	place    monitor.Place
	topLayer string
	leased   bool
	process  *runtime.Ref // with StatusRunning and StatusPaused
	broken   error        // its files cannot be read: it can be removed, and nothing else

	lease *os.File // the container's lock, from Create to Start
	lower lowers   // the image's layers, from Create to Start

	shifted bool // what it has on disk has the ids of Config.IDMap

	network *connection // while it is being started
}

// ID is the container's id, 64 hexadecimal digits.
func (c *Container) ID() string { return c.Config.ID }

// Name is the container's name, without Docker's leading slash.
func (c *Container) Name() string { return c.Config.Name }

// Running says whether the container's process lives, if paused.
func (c *Container) Running() bool {
	return c.State.Status == StatusRunning || c.State.Status == StatusPaused
}

// Restarting says whether the container waits to be started again.
func (c *Container) Restarting() bool { return c.State.Status == StatusRestarting }

// errRestarting is what cannot be done meanwhile, in Docker's words.
func (c *Container) errRestarting() error {
	return fmt.Errorf("container %s is restarting, wait until the container is running%w", c.ID(), hidden{ErrNotRunning})
}

// LogPath is the file that keeps what the container writes. It is missing as long as nothing was written.
func (c *Container) LogPath() string { return c.place.File(monitor.LogFile) }

// Upper is the directory of what the container has changed of its image.
func (c *Container) Upper() string { return c.place.File(monitor.UpperDir) }

// Status is Docker's word for what a container is doing.
type Status string

// The statuses.
const (
	StatusCreated  Status = "created"
	StatusRunning  Status = "running"
	StatusPaused   Status = "paused"
	StatusExited   Status = "exited"
	StatusRemoving Status = "removing"
	// StatusRestarting: it has ended, and its restart policy starts it again in a moment.
	StatusRestarting Status = "restarting"
	StatusDead       Status = "dead" // its removal was interrupted
)

// State is what a container is doing. Status, Pid and what follows from them are asked of the kernel when the
// container is read; the rest is what its monitor wrote to state.json.
type State struct {
	Status     Status
	Pid        int // of the container's process, as this process sees it; 0 when it does not run
	ExitCode   int
	Error      string // why the last start failed
	OOMKilled  bool
	StartedAt  time.Time // zero: never started
	FinishedAt time.Time // zero: never finished
	Restarts   int       // how often its restart policy has started it since a user did
	Stopped    bool      // a user has ended its last run

	LogLost int // lines that could not be logged

	Health *health.Status // nil: it has no health check, or was never started
}

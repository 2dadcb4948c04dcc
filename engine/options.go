package engine

import (
	"io"
	"os"
	"time"

	"codeberg.org/hoy/hoy/engine/ahead"
	"codeberg.org/hoy/hoy/storage"
)

// Streams are the caller's own descriptors. A nil one is /dev/null.
type Streams struct {
	In, Out, Err *os.File
}

// CreateOptions say how Create gets an image.
type CreateOptions struct {
	Pull string // "missing" (or ""), "always", "never", "newer": always, but what is here will do when there is no way to the registry
	storage.PullOptions
	// Run says that the caller starts the container at once. Until Start has taken it over, the container is the caller's alone: with
	// AutoRemove it does not outlive a killed caller. A caller that does not come to Start calls Remove.
	Run   bool
	Ahead *ahead.Process // as in StartOptions, of the start that follows
}

// StartOptions say how a container is started and who listens.
type StartOptions struct {
	Streams
	// Attach names the streams the caller is attached to: "stdin", "stdout", "stderr". Empty: the container is detached and Start
	// returns as soon as its process runs.
	Attach []string
	// Foreground makes this process the container's monitor: the container dies with it. It is what `run` without -d, -t and -a does.
	Foreground bool
	Ahead      *ahead.Process // with Foreground: what has been started already, which stays the caller's; nil: nothing
	DetachKeys string         // "": Docker's ctrl-p,ctrl-q; "-": none
	SigProxy   bool           // signals that this process gets are passed on to the container
	// Kept are files of this process that become the container's descriptors from 3 on.
	Kept []*os.File
	// Listen, when it is not empty, says in sd_listen_fds(3)'s variables, without LISTEN_PID, that the first of Kept are sockets to be served.
	Listen []string
}

// ExecOptions describe one `exec`.
type ExecOptions struct {
	Streams
	Cmd         []string
	Env         []string // K=V, added to the container's
	User        string   // "": the container's
	WorkingDir  string   // "": the container's
	Tty         bool
	Interactive bool // stdin is passed on
	Detach      bool // do not wait
	Privileged  bool
	DetachKeys  string     // as in StartOptions
	Kept        []*os.File // as in StartOptions
}

// StopOptions say how a container is stopped.
type StopOptions struct {
	Signal  string // name or number; "": the container's own, else SIGTERM
	Timeout *int   // seconds until SIGKILL; nil: the container's own, else 10; negative: never
	restart bool   // it is to be started again
}

// RemoveOptions say what is removed with a container.
type RemoveOptions struct {
	Force   bool // a running container is killed first
	Timeout *int // with Force: seconds that it has to stop by itself, as in StopOptions; nil: none
	Volumes bool // anonymous volumes too
}

// LogsOptions select what Logs writes.
type LogsOptions struct {
	Out, Err   io.Writer
	Follow     bool
	Tail       int // lines from the end; negative: all
	Since      time.Time
	Until      time.Time
	Timestamps bool
	Details    bool
}

// AttachOptions say how Attach joins a running container's streams.
type AttachOptions struct {
	Streams
	NoStdin    bool
	DetachKeys string // as in StartOptions
	SigProxy   bool
}

// ListOptions select what List gives.
type ListOptions struct {
	All bool // not only the running ones
}

// Pruned is what Prune removed.
type Pruned struct {
	Containers []string // ids
	Space      int64    // bytes
}

package engine

import (
	"context"

	"codeberg.org/hoy/hoy/oci"
	"codeberg.org/hoy/hoy/storage"
)

// Create makes a container from cfg (filled by flags, validated here): it gets the image, merges its config in, names
// the container (cfg.Name, or a made-up one) and writes its directory. cfg is not changed; the container returned has all that was filled in.
func (e *Engine) Create(ctx context.Context, cfg *oci.Config, o CreateOptions) (*Container, error) {
	panic("create")
}

// Start starts a created or exited container. Detached, it returns once the process runs; attached or in the foreground it
// returns the container's exit code when it ended, or ErrDetached. An error's exit code is ExitCode(err): 125, 126, 127.
func (e *Engine) Start(ctx context.Context, c *Container, o StartOptions) (code int, err error) {
	panic("start")
}

// ExitCode is Docker's exit code for an error of Start and Exec: 126 what cannot be executed, 127 what does not exist, else 125.
func ExitCode(err error) int { panic("exitcode") }

// Find returns the container with the name, the id or the unique id prefix ref; ErrNoContainer, ErrAmbiguous.
func (e *Engine) Find(ref string) (*Container, error) { panic("find") }

// List returns the containers, the newest first. With an error that joins what is wrong with those it could not read it still returns the others.
func (e *Engine) List(o ListOptions) ([]*Container, error) { panic("list") }

// Stop sends the stop signal, waits, and sends SIGKILL after the timeout. A container that does not run is no error.
func (e *Engine) Stop(ctx context.Context, c *Container, o StopOptions) error { panic("stop") }

// Kill sends a signal by name or number ("": SIGKILL); ErrNotRunning.
func (e *Engine) Kill(c *Container, signal string) error { panic("kill") }

// Remove removes a container; ErrRunning without Force.
func (e *Engine) Remove(ctx context.Context, c *Container, o RemoveOptions) error { panic("rm") }

// Exec runs a command in a running container and returns its exit code; see Start for errors.
func (e *Engine) Exec(ctx context.Context, c *Container, o ExecOptions) (code int, err error) {
	panic("exec")
}

// Wait blocks until the container has ended, and returns its exit code.
func (e *Engine) Wait(ctx context.Context, c *Container) (code int, err error) { panic("wait") }

// Logs writes what the container has written.
func (e *Engine) Logs(ctx context.Context, c *Container, o LogsOptions) error { panic("logs") }

// Attach joins the streams of a running container until it ends (its exit code) or the user detaches (ErrDetached).
func (e *Engine) Attach(ctx context.Context, c *Container, o AttachOptions) (code int, err error) {
	panic("attach")
}

// Rename gives the container another name; ErrNameInUse.
func (e *Engine) Rename(c *Container, name string) error { panic("rename") }

// Prune removes the stopped containers for which keep (nil: none) is false, with their anonymous volumes kept.
func (e *Engine) Prune(ctx context.Context, keep func(*Container) bool) (Pruned, error) {
	panic("prune")
}

// Inspect is what `inspect` shows of a container, with Docker's field names.
func (e *Engine) Inspect(c *Container) (*ContainerInspect, error) { panic("inspect") }

// InspectImage is what `inspect` shows of an image, with Docker's field names.
func (e *Engine) InspectImage(i *storage.Image) *ImageInspect { panic("inspect image") }

// Info is what `info` shows. The problems of the host are the caller's to add.
func (e *Engine) Info() (*Info, error) { panic("info") }

// Version is what `version` shows, with Docker's field names.
func (e *Engine) Version() *Version { panic("version") }

// ImageUsers are the ids of the containers made from the image, for storage.RemoveOptions.InUse.
func (e *Engine) ImageUsers(imageID string) []string { panic("users") }

// VolumeUsers are the ids of the containers that mount the volume.
func (e *Engine) VolumeUsers(name string) []string { panic("users") }

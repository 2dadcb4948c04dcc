package runtime

import (
	"errors"

	"codeberg.org/hoy/hoy/oci/child"
)

var errNotBuilt = errors.New("not built yet")

// Start clones the child into the plan's namespaces and lets it take every step up to "ready": the container is complete
// but its command does not run yet. An error leaves nothing behind; when a step failed it is a *StepError.
func Start(p *child.Plan, o StartOptions) (*Process, error) { return nil, errNotBuilt }

// Go lets the container's command run. It returns once the command was executed; a *StepError means that it was not
// (a late step failed, or there is no such command), and then the process has already been reaped.
func (p *Process) Go() error { return errNotBuilt }

// Wait waits until the process ends and reaps it. It is called once.
func (p *Process) Wait() (ExitStatus, error) { return ExitStatus{}, errNotBuilt }

// Kill ends the process, whatever it does, and reaps it. It is for a process that Wait is not called on.
func (p *Process) Kill() {}

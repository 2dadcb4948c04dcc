package cli

import (
	"context"
	"fmt"
	"sync"

	"codeberg.org/hoy/hoy/build"
	"codeberg.org/hoy/hoy/engine"
)

// runner runs a build's RUN by the engine: build and engine do not know each other.
type runner struct {
	engine  *engine.Engine
	once    sync.Once
	network *engine.StepNetwork // nil: it cannot be had
}

// Run is build.Runner's.
func (r *runner) Run(ctx context.Context, spec build.RunSpec) error {
	step := &engine.Step{
		Config: &spec.Config,
		Lower:  spec.Lower,
		Upper:  spec.Upper,
		Work:   spec.Work,
		Stdout: spec.Stdout,
		Stderr: spec.Stderr,
	}
	if spec.Config.Network == build.DefaultNetwork {
		r.connect(step)
	}
	for _, o := range spec.Overlays {
		step.Overlays = append(step.Overlays, engine.StepOverlay(o))
	}
	code, err := r.engine.RunStep(ctx, step)
	if err == nil && code != 0 {
		err = &build.ExitError{Code: code}
	}
	return err
}

// connect gives a step the default network, which the first one makes. Where it cannot be had, the step has the host's, and says so.
func (r *runner) connect(step *engine.Step) {
	r.once.Do(func() {
		var err error
		if r.network, err = r.engine.OpenStepNetwork(step.Config.Hostname); err != nil && step.Stderr != nil {
			fmt.Fprintf(step.Stderr, "hoy: RUN has the host's network: %v\n", err)
		}
	})
	step.Config.Network, step.Network = "", r.network
	if r.network == nil {
		step.Config.Network = "host"
	}
}

// close gives the network back.
func (r *runner) close() error {
	if r.network == nil {
		return nil
	}
	return r.network.Close()
}

package cli

import (
	"context"

	"codeberg.org/hoy/hoy/build"
	"codeberg.org/hoy/hoy/engine"
)

// runner runs a build's RUN by the engine: build and engine do not know each other.
type runner struct{ engine *engine.Engine }

// Run is build.Runner's.
func (r runner) Run(ctx context.Context, spec build.RunSpec) error {
	step := &engine.Step{
		Config: &spec.Config,
		Lower:  spec.Lower,
		Upper:  spec.Upper,
		Work:   spec.Work,
		Stdout: spec.Stdout,
		Stderr: spec.Stderr,
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

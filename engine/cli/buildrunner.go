package cli

import (
	"context"
	"errors"

	"codeberg.org/hoy/hoy/build"
	"codeberg.org/hoy/hoy/engine"
)

// runner runs a build's RUN in a container: build and engine do not know each other.
type runner struct{ engine *engine.Engine }

// Run is build.Runner's.
func (r runner) Run(ctx context.Context, spec build.RunSpec) error {
	return errors.New("not there")
}

package engine

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"codeberg.org/hoy/hoy/oci/child"
)

// makeBundle makes the directory that a container's hooks look into: the specification, and where the child mounts the root for them.
func (c *Container) makeBundle(spec *specs.Spec, plan *child.Plan) error {
	plan.Hooks.Bundle = c.place.RunFile("bundle")
	spec.Root.Path = plan.Hooks.Root()
	if err := os.MkdirAll(spec.Root.Path, 0o755); err != nil {
		return err
	}
	data, err := json.Marshal(spec)
	if err != nil {
		return fmt.Errorf("encode the specification: %w", err)
	}
	if plan.Userns != nil {
		plan.Hooks.Config = data
	}
	return os.WriteFile(filepath.Join(plan.Hooks.Bundle, child.ConfigFile), data, 0o600)
}

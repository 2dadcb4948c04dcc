package cdi

import (
	"fmt"

	"github.com/opencontainers/runtime-spec/specs-go"

	"codeberg.org/hoy/hoy/oci"
)

// hook is a program of the host's that a device needs to be run.
type hook struct {
	Name    string   `yaml:"hookName"`
	Path    string   `yaml:"path"`
	Args    []string `yaml:"args"`
	Env     []string `yaml:"env"`
	Timeout *int     `yaml:"timeout"`
}

func addHooks(c *oci.Config, list []hook) error {
	if len(list) > 0 && c.Hooks == nil {
		c.Hooks = new(specs.Hooks)
	}
	for _, h := range list {
		to := pointOf(c.Hooks, h.Name)
		if to == nil {
			return fmt.Errorf("unknown hook name %q", h.Name)
		}
		*to = append(*to, specs.Hook{Path: h.Path, Args: h.Args, Env: h.Env, Timeout: h.Timeout})
	}
	return nil
}

// pointOf are the hooks of one point of a container's life; nil: there is no such point.
func pointOf(h *specs.Hooks, name string) *[]specs.Hook {
	switch name {
	case "prestart":
		//lint:ignore SA1019 it is deprecated, and in use
		return &h.Prestart
	case "createRuntime":
		return &h.CreateRuntime
	case "createContainer":
		return &h.CreateContainer
	case "startContainer":
		return &h.StartContainer
	case "poststart":
		return &h.Poststart
	case "poststop":
		return &h.Poststop
	}
	return nil
}

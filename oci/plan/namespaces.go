package plan

import (
	"errors"
	"fmt"
	"slices"

	"codeberg.org/hoy/hoy/oci/child"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// timens sets the clocks of a new time namespace (time_namespaces(7)).
func (p *planner) timens() error {
	offsets := p.s.Linux.TimeOffsets
	if len(offsets) > 0 && p.plan.Clone&unix.CLONE_NEWTIME == 0 {
		return errors.New("time namespace offsets specified, but a new time namespace isn't enabled in the config")
	}
	for _, clock := range []string{"boottime", "monotonic"} {
		if o, ok := offsets[clock]; ok {
			p.plan.TimeOffsets = append(p.plan.TimeOffsets, fmt.Sprintf("%s %d %d", clock, o.Secs, o.Nanosecs))
		}
	}
	if len(p.plan.TimeOffsets) != len(offsets) {
		return errors.New("linux.timeOffsets: only the clocks monotonic and boottime can be set")
	}
	return nil
}

// personalities are the execution domains of the specification (personality(2)).
var personalities = map[specs.LinuxPersonalityDomain]uint32{specs.PerLinux: 0, specs.PerLinux32: 8}

func (p *planner) personality() error {
	wanted := p.s.Linux.Personality
	if wanted == nil {
		return nil
	}
	if len(wanted.Flags) > 0 {
		return fmt.Errorf("linux.personality: the flag %q is not supported", wanted.Flags[0])
	}
	number, ok := personalities[wanted.Domain]
	if !ok {
		return fmt.Errorf("linux.personality: unknown domain %q", wanted.Domain)
	}
	p.plan.Personality = &number
	return nil
}

// hooks sets the hooks.
func (p *planner) hooks() error {
	err := p.personality()
	if err == nil {
		p.plan.Hooks, err = Hooks(p.s.Hooks)
	}
	return err
}

// Hooks checks and translates hooks; nil: there are none.
func Hooks(h *specs.Hooks) (child.Hooks, error) {
	var out child.Hooks
	if h == nil {
		return out, nil
	}
	for _, point := range []struct {
		from []specs.Hook
		to   *[]child.Hook
	}{
		//lint:ignore SA1019 Prestart is deprecated, and in use
		{h.Prestart, &out.Prestart},
		{h.CreateRuntime, &out.Runtime},
		{h.CreateContainer, &out.Create},
		{h.StartContainer, &out.Start},
		{h.Poststart, &out.Poststart},
		{h.Poststop, &out.Poststop},
	} {
		for i := range point.from {
			hook, err := hookOf(&point.from[i])
			if err != nil {
				return out, err
			}
			*point.to = append(*point.to, hook)
		}
	}
	return out, nil
}

func hookOf(h *specs.Hook) (child.Hook, error) {
	hook := child.Hook{Path: h.Path, Args: h.Args, Env: h.Env}
	if h.Path == "" || h.Path[0] != '/' {
		return hook, fmt.Errorf("hook %q: the path must be absolute", h.Path)
	}
	if h.Timeout != nil {
		if hook.Timeout = *h.Timeout; hook.Timeout <= 0 {
			return hook, fmt.Errorf("hook %s: the timeout must be greater than zero", h.Path)
		}
	}
	return hook, nil
}

// Namespaces are the kinds of namespaces that are known, for `features`.
func Namespaces() []string {
	var list []string
	for _, f := range cloneFlags {
		list = append(list, string(f.kind))
	}
	slices.Sort(list)
	return list
}

package build

import (
	"codeberg.org/hoy/hoy/storage"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
)

// stage is a FROM and what follows it, or an image that a COPY --from or a mount names.
type stage struct {
	instructions.Stage
	index    int            // in the Dockerfile; -1 for an image
	name     string         // as it is shown; "" in a Dockerfile of one stage
	base     *stage         // the earlier stage it starts from
	image    *storage.Image // the image it starts from; nil with base, and for scratch
	commands []command      // its own, behind the triggers of ONBUILD
	resolved bool           // base, image and triggers are known
	done     bool           // the instructions have been turned into steps

	// What the instructions have made so far.
	config  imageConfig
	env     env                                 // of the image and of ARG
	args    []instructions.KeyValuePairOptional // that ARG declared, in order
	top     *step                               // whose result the next step starts from; nil is an empty root
	workdir bool                                // WORKDIR was used

	cmd, entrypoint, healthcheck tracker

	number, total int // steps that have been and will be shown: [name 2/4]
}

// command is an instruction with the stages that it reads.
type command struct {
	instructions.Command
	from      []*stage // COPY: one; RUN: one for each mount, nil where the mount has no source
	isTrigger bool     // it came by ONBUILD
}

// declares says whether an ARG of the stage names a variable.
func (s *stage) declares(name string) bool {
	for _, a := range s.args {
		if a.Key == name {
			return true
		}
	}
	return false
}

// deps are the stages that this one cannot be made without.
func (s *stage) deps() []*stage {
	var deps []*stage
	if s.base != nil {
		deps = append(deps, s.base)
	}
	for _, c := range s.commands {
		for _, f := range c.from {
			if f != nil {
				deps = append(deps, f)
			}
		}
	}
	return deps
}

// reachable gives the stages that a target needs, itself the last, each after those that it needs. The order of the rest is the
// Dockerfile's.
func reachable(target *stage) []*stage {
	var out []*stage
	seen := map[*stage]bool{}
	var visit func(*stage)
	visit = func(s *stage) {
		if seen[s] {
			return
		}
		seen[s] = true
		for _, d := range s.deps() {
			visit(d)
		}
		out = append(out, s)
	}
	visit(target)
	return out
}

// inherit takes over what the base stage, or the base image, has become.
func (s *stage) inherit() {
	switch {
	case s.base != nil:
		s.config = s.base.config.clone()
		s.config.docker.OnBuild = nil
		s.env = s.base.env.clone()
		s.args = append(s.args, s.base.args...)
		s.workdir = s.base.workdir
		s.top = s.base.top
		return
	case s.image != nil:
		s.config = configOf(s.image)
		s.config.docker.OnBuild = nil
	default:
		s.config = scratchConfig()
	}
	s.env = env(s.config.Config.Env).clone()
}

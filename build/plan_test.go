package build

import (
	"io"

	"codeberg.org/hoy/hoy/build/progress"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
)

// planOnly turns a Dockerfile whose base images are all empty into steps, and does none of them.
func planOnly(data []byte) error {
	b := &builder{options: &Options{}, buildArgs: map[string]string{}, printer: progress.New(io.Discard, "plain")}
	b.source = &source{name: "Dockerfile", data: data, context: &buildContext{dir: "/"}}
	p, err := b.newPlanner()
	if err != nil {
		return err
	}
	if err := p.setup(); err != nil {
		return err
	}
	target, err := p.target()
	if err != nil {
		return err
	}
	for _, s := range reachable(target) {
		s.BaseName, s.resolved = "scratch", true
		for _, c := range s.Commands {
			if o, ok := c.(*instructions.OnbuildCommand); ok {
				_, _ = p.trigger(s, o.Expression)
			}
		}
		if err := p.dispatch(s); err != nil {
			return err
		}
	}
	return nil
}

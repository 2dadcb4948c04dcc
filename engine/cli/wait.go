package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"codeberg.org/hoy/hoy/engine"
	"codeberg.org/hoy/hoy/engine/cli/flags"
)

func waitCommand(s *session) *command {
	var l selection
	var conditions []string
	var first bool
	return &command{
		args:     "[OPTIONS] CONTAINER [CONTAINER...]",
		short:    "Block until one or more containers stop, then print their exit codes",
		aliases:  []string{"container wait", "wait"},
		min:      1,
		max:      -1,
		complete: runningContainers,
		implied:  l.implied,
		flags: []*flags.Flag{
			flags.Func(func(s string) error { return addCondition(&conditions, s) }, "condition",
				"Wait for one of these instead of the end: "+strings.Join(engine.Conditions(), ", ")+" (Podman)").As("list").OneOf(engine.Conditions()...),
			l.ignoreFlag(),
			latestFlag(&l.latest),
			flags.Bool(&first, "return-on-first", "End with the first container for which the condition holds (Podman)"),
		},
		run: func(ctx context.Context, args []string) error {
			args, err := s.refs(&l, args)
			if err != nil {
				return err
			}
			if first {
				return s.waitFirst(ctx, args, conditions)
			}
			var errs []error
			for _, ref := range args {
				e, c, err := s.container(ref)
				if err == nil {
					var code int
					if code, err = e.WaitFor(ctx, c, conditions); err == nil {
						s.print(code)
					}
				}
				errs = append(errs, err)
			}
			return errors.Join(errs...)
		},
	}
}

// addCondition takes one name of --condition, or several with commas between.
func addCondition(list *[]string, s string) error {
	for name := range strings.SplitSeq(s, ",") {
		name = strings.ToLower(name)
		if !slices.Contains(engine.Conditions(), name) {
			return fmt.Errorf("unknown condition %q", name)
		}
		*list = append(*list, name)
	}
	return nil
}

// waitFirst waits for all containers at once, and prints the exit code of the one that is first.
func (s *session) waitFirst(ctx context.Context, refs, conditions []string) error {
	e, err := s.open()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type result struct {
		code int
		err  error
	}
	results := make(chan result, len(refs))
	for _, ref := range refs {
		c, err := e.Find(ref)
		if err != nil {
			return err
		}
		go func() {
			code, err := e.WaitFor(ctx, c, conditions)
			results <- result{code, err}
		}()
	}
	r := <-results
	if r.err == nil {
		s.print(r.code)
	}
	return r.err
}

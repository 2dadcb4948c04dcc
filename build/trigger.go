package build

import (
	"errors"
	"math"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// addTriggers puts the instructions that ONBUILD left in the base before the stage's own.
func (p *planner) addTriggers(s *stage) error {
	var triggers []string
	switch {
	case s.image != nil:
		triggers = s.image.Docker.OnBuild
	case s.base != nil:
		for _, c := range s.base.commands {
			if o, ok := c.Command.(*instructions.OnbuildCommand); ok {
				triggers = append(triggers, o.Expression)
			}
		}
	}
	var commands []command
	for _, t := range triggers {
		c, err := p.trigger(s, t)
		if err != nil {
			return err
		}
		commands = append(commands, c)
	}
	s.commands = append(commands, s.commands...)
	return nil
}

func (p *planner) trigger(s *stage, text string) (command, error) {
	parsed, err := parser.Parse(strings.NewReader(text))
	if err != nil {
		return command{}, err
	}
	if len(parsed.AST.Children) != 1 {
		return command{}, errors.New("onbuild trigger should be a single expression")
	}
	node := parsed.AST.Children[0]
	node.StartLine, node.EndLine = span(s.Location) // messages show the FROM that brought it
	c, err := instructions.ParseCommand(node)
	if err != nil {
		return command{}, err
	}
	cmd, err := p.command(c)
	cmd.isTrigger = true
	return cmd, err
}

// digits is how many decimal digits a number has.
func digits(n int) int { return 1 + int(math.Log10(float64(max(1, n)))) }

package build

import (
	"fmt"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerfile/shell"
)

// dispatcher turns the instructions of one stage into its config and steps, in order.
type dispatcher struct {
	plan    *planner
	stage   *stage
	command command
	lint    *linter.Linter // with what the instruction's comments say
}

// dispatch turns a stage whose needs have been dispatched into steps.
func (p *planner) dispatch(s *stage) error {
	s.inherit()
	s.config.epoch = p.epoch
	if s.index >= 0 {
		s.total = countSteps(s)
	}
	if _, ok := s.env.Get("PATH"); !ok {
		s.config.Config.Env = append(s.config.Config.Env, "PATH="+defaultPath)
		s.env.set("PATH", defaultPath)
	}
	d := &dispatcher{plan: p, stage: s}
	if s.base == nil && s.BaseName != "scratch" {
		d.baseImage()
	}
	for _, c := range s.commands {
		d.command, d.lint = c, p.lint.WithMergedConfigFromComments(c.Comments())
		if err := d.expand(); err != nil {
			return parser.WithLocation(err, c.Location())
		}
		if err := d.instruction(); err != nil {
			return parser.WithLocation(err, c.Location())
		}
	}
	s.done = true
	return nil
}

// countSteps is the N of [stage n/N].
func countSteps(s *stage) int {
	n := 0
	if s.base == nil && s.BaseName != "scratch" {
		n++
	}
	for _, c := range s.commands {
		switch c.Command.(type) {
		case *instructions.AddCommand, *instructions.CopyCommand, *instructions.RunCommand, *instructions.WorkdirCommand:
			n++
		}
	}
	return n
}

// expand replaces the variables of an instruction.
func (d *dispatcher) expand() error {
	c := d.command.Command
	_, isArg := c.(*instructions.ArgCommand) // its value may be ignored, and is expanded when it is not
	if e, ok := c.(instructions.SupportsSingleWordExpansion); ok && !isArg {
		if err := e.Expand(d.word); err != nil {
			return err
		}
	}
	e, ok := c.(instructions.SupportsSingleWordExpansionRaw)
	if !ok {
		return nil
	}
	return e.ExpandRaw(func(word string) (string, error) {
		lex := shell.NewLex('\\')
		lex.SkipProcessQuotes = true
		out, unmatched, err := lex.ProcessWord(word, d.stage.env)
		d.lintUnmatched(c, unmatched)
		return out, err
	})
}

func (d *dispatcher) word(word string) (string, error) {
	out, unmatched, err := d.plan.lex.ProcessWord(word, d.stage.env)
	d.lintUnmatched(d.command.Command, unmatched)
	return out, err
}

func (d *dispatcher) instruction() error {
	switch c := d.command.Command.(type) {
	case *instructions.RunCommand:
		return d.run(c)
	case *instructions.CopyCommand:
		return d.copy(c)
	case *instructions.AddCommand:
		return d.add(c)
	case *instructions.WorkdirCommand:
		return d.workdir(c)
	case *instructions.EnvCommand:
		d.setEnv(c)
	case *instructions.ArgCommand:
		return d.arg(c)
	case *instructions.LabelCommand:
		d.label(c)
	case *instructions.MaintainerCommand:
		d.stage.config.Author = c.Maintainer
		d.stage.config.commit("MAINTAINER "+c.Maintainer, false)
	case *instructions.CmdCommand:
		d.cmd(c)
	case *instructions.EntrypointCommand:
		d.entrypoint(c)
	case *instructions.HealthCheckCommand:
		d.healthcheck(c)
	case *instructions.ExposeCommand:
		return d.expose(c)
	case *instructions.UserCommand:
		d.stage.config.Config.User = c.User
		d.stage.config.commit("USER "+c.User, false)
	case *instructions.VolumeCommand:
		return d.volume(c)
	case *instructions.StopSignalCommand:
		return d.stopSignal(c)
	case *instructions.ShellCommand:
		d.stage.config.docker.Shell = c.Shell
		d.stage.config.commit(fmt.Sprintf("SHELL %v", c.Shell), false)
	case *instructions.OnbuildCommand:
		d.stage.config.docker.OnBuild = append(d.stage.config.docker.OnBuild, c.Expression)
	default:
		return fmt.Errorf("unknown instruction %T", c)
	}
	return nil
}

// add a step that starts from where the stage is.
func (d *dispatcher) step(op operation, shown, instruction string) {
	s := &step{
		show:     d.plan.printer.Step(d.title(shown)),
		text:     instruction,
		location: d.command.Location(),
		parent:   d.stage.top,
		op:       op,
	}
	d.stage.top = s
}

// title is how a step is shown: [stage 2/4] RUN …
func (d *dispatcher) title(text string) string {
	s := d.stage
	if s.total == 0 {
		return text
	}
	s.number++
	prefix := "["
	if s.name != "" {
		prefix += s.name + " "
	}
	prefix += fmt.Sprintf("%*d/%d] ", digits(s.total), s.number, s.total)
	if d.command.isTrigger {
		prefix += "ONBUILD "
	}
	return prefix + text
}

// shown is an instruction's source with its variables replaced where that is possible, and its name in upper case.
func (d *dispatcher) shown(source string, lex *shell.Lex, vars shell.EnvGetter) string {
	if out, _, err := lex.ProcessWord(source, vars); err == nil {
		source = out
	}
	name, rest, ok := strings.Cut(source, " ")
	if !ok {
		return strings.ToUpper(source)
	}
	return strings.ToUpper(name) + " " + rest
}

// baseImage makes the step that stands for the base image.
func (d *dispatcher) baseImage() {
	img := d.stage.image
	name := d.stage.BaseName
	if n, err := fullName(name); err == nil {
		name = n
	}
	s := &step{show: d.plan.printer.Step(d.title("FROM " + name)), text: "FROM " + name, location: d.stage.Location}
	s.once.Do(func() { s.result, s.err = imageResult(img) })
	s.isImage = true
	d.stage.top = s
}

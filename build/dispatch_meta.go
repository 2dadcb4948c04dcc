package build

import (
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	docker "github.com/moby/docker-image-spec/specs-go/v1"
	"golang.org/x/sys/unix"
)

// The instructions that change the image's config and no files.

func (d *dispatcher) setEnv(c *instructions.EnvCommand) {
	s := d.stage
	line := "ENV"
	for _, e := range c.Env {
		d.lintLegacy(c, e.NoDelim)
		d.lintSecret("ENV", e.Key, c.Location())
		line += " " + e.String()
		s.env.set(e.Key, e.Value)
		image := env(s.config.Config.Env)
		image.set(e.Key, e.Value)
		s.config.Config.Env = image
	}
	s.config.commit(line, false)
}

func (d *dispatcher) label(c *instructions.LabelCommand) {
	s := d.stage
	if s.config.Config.Labels == nil {
		s.config.Config.Labels = map[string]string{}
	}
	line := "LABEL"
	for _, l := range c.Labels {
		d.lintLegacy(c, l.NoDelim)
		s.config.Config.Labels[l.Key] = l.Value
		line += " " + l.String()
	}
	s.config.commit(line, false)
}

func (d *dispatcher) lintLegacy(c instructions.Command, noDelim bool) {
	if noDelim {
		d.lint.Run(&linter.RuleLegacyKeyValueFormat, c.Location(), linter.RuleLegacyKeyValueFormat.Format(c.Name()))
	}
}

// arg declares variables: --build-arg's value wins over the instruction's, and a global ARG's is taken where there is neither.
func (d *dispatcher) arg(c *instructions.ArgCommand) error {
	s := d.stage
	var words []string
	for _, a := range c.Args {
		d.lintSecret("ARG", a.Key, c.Location())
		value, err := d.argValue(c, a)
		if err != nil {
			return err
		}
		a.Value = value
		s.args = append(s.args, a)
		if value == nil {
			words = append(words, a.Key)
			continue
		}
		s.env.set(a.Key, *value)
		words = append(words, a.Key+"="+*value)
	}
	s.config.commit("ARG "+strings.Join(words, " "), false)
	return nil
}

func (d *dispatcher) argValue(c *instructions.ArgCommand, a instructions.KeyValuePairOptional) (*string, error) {
	if v, ok := d.plan.buildArgs[a.Key]; ok {
		d.plan.used[a.Key] = true
		return &v, nil
	}
	if a.Value != nil {
		v, unmatched, err := d.plan.lex.ProcessWord(*a.Value, d.stage.env)
		d.lintUnmatched(c, unmatched)
		return &v, err
	}
	if v, ok := d.plan.global.Get(a.Key); ok {
		return &v, nil
	}
	return nil, nil
}

func (d *dispatcher) cmd(c *instructions.CmdCommand) {
	d.stage.cmd.used(c, d.lint)
	args := c.CmdLine
	if c.PrependShell {
		d.lintJSON(c)
		args = d.stage.config.shell(args)
	}
	d.stage.config.Config.Cmd = args
	//lint:ignore SA1019 deprecated, and still what BuildKit writes
	d.stage.config.Config.ArgsEscaped = true
	d.stage.config.commit(fmt.Sprintf("CMD %q", args), false)
}

func (d *dispatcher) entrypoint(c *instructions.EntrypointCommand) {
	d.stage.entrypoint.used(c, d.lint)
	args := c.CmdLine
	if c.PrependShell {
		d.lintJSON(c)
		args = d.stage.config.shell(args)
	}
	d.stage.config.Config.Entrypoint = args
	if !d.stage.cmd.set {
		d.stage.config.Config.Cmd = nil // the base image's was for its own entrypoint
	}
	d.stage.config.commit(fmt.Sprintf("ENTRYPOINT %q", args), false)
}

func (d *dispatcher) lintJSON(c instructions.Command) {
	if len(d.stage.config.docker.Shell) == 0 {
		d.lint.Run(&linter.RuleJSONArgsRecommended, c.Location(), linter.RuleJSONArgsRecommended.Format(c.Name()))
	}
}

func (d *dispatcher) healthcheck(c *instructions.HealthCheckCommand) {
	d.stage.healthcheck.used(c, d.lint)
	h := &docker.HealthcheckConfig{
		Test: c.Health.Test, Interval: c.Health.Interval, Timeout: c.Health.Timeout,
		StartPeriod: c.Health.StartPeriod, StartInterval: c.Health.StartInterval, Retries: c.Health.Retries,
	}
	d.stage.config.docker.Healthcheck = h
	d.stage.config.commit(fmt.Sprintf("HEALTHCHECK %+v", *h), false)
}

func (d *dispatcher) volume(c *instructions.VolumeCommand) error {
	s := d.stage
	if s.config.Config.Volumes == nil {
		s.config.Config.Volumes = map[string]struct{}{}
	}
	for _, v := range c.Volumes {
		if v == "" {
			return errors.New("VOLUME specified can not be an empty string")
		}
		s.config.Config.Volumes[v] = struct{}{}
	}
	s.config.commit(fmt.Sprintf("VOLUME %v", c.Volumes), false)
	return nil
}

func (d *dispatcher) stopSignal(c *instructions.StopSignalCommand) error {
	if !isSignal(c.Signal) {
		return fmt.Errorf("invalid signal: %s", c.Signal)
	}
	d.stage.config.Config.StopSignal = c.Signal
	d.stage.config.commit("STOPSIGNAL "+c.Signal, false)
	return nil
}

// isSignal says whether a number or a name, with or without SIG, means a signal.
func isSignal(s string) bool {
	if n, err := strconv.Atoi(s); err == nil {
		return n > 0 && n <= 64
	}
	name := "SIG" + strings.TrimPrefix(strings.ToUpper(s), "SIG")
	if unix.SignalNum(name) != 0 {
		return true
	}
	for _, base := range []string{"SIGRTMIN", "SIGRTMAX"} {
		rest, ok := strings.CutPrefix(name, base)
		if !ok {
			continue
		}
		n, err := strconv.Atoi(rest)
		return rest == "" || err == nil && (base == "SIGRTMIN" && n > 0 && n <= 15 || base == "SIGRTMAX" && n < 0 && n >= -14)
	}
	return false
}

// workdir changes the directory, and makes it where it is not there: BuildKit gives each but / a layer.
func (d *dispatcher) workdir(c *instructions.WorkdirCommand) error {
	s := d.stage
	if !s.workdir && !path.IsAbs(c.Path) {
		d.lint.Run(&linter.RuleWorkdirRelativePath, c.Location(), linter.RuleWorkdirRelativePath.Format(c.Path))
	}
	s.workdir = true
	dir := path.Join("/", s.config.Config.WorkingDir)
	if path.IsAbs(c.Path) {
		dir = path.Clean(c.Path)
	} else {
		dir = path.Join(dir, c.Path)
	}
	s.config.Config.WorkingDir = dir
	shown := d.shown(c.String(), d.plan.lex, s.env)
	if dir == "/" {
		s.config.commit("WORKDIR /", false)
		return nil
	}
	d.step(&workdirOp{Path: dir, User: s.config.Config.User}, shown, "WORKDIR "+dir)
	s.config.commit("WORKDIR "+dir, true)
	return nil
}

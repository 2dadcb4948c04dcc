package build

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"codeberg.org/hoy/hoy/build/progress"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerfile/shell"
	"github.com/moby/buildkit/util/suggest"
	"github.com/moby/patternmatcher"
)

// planner turns a Dockerfile into a graph of steps.
type planner struct {
	options   *Options
	file      *dockerfile
	lex       *shell.Lex
	lint      *linter.Linter
	printer   *progress.Printer
	images    *images
	ignore    *patternmatcher.PatternMatcher // .dockerignore; nil without one
	hasFiles  bool                           // there is a context
	buildArgs map[string]string
	global    env // the variables of FROM: platform and global ARG
	epoch     *time.Time
	stages    []*stage          // of the Dockerfile, in its order
	byName    map[string]*stage // the last of a name, by its lower-case name
	used      map[string]bool   // the build arguments that an ARG took
}

// setup reads the global ARGs and finds the stages and what they start from.
func (p *planner) setup() error {
	lintStages(p.file.stages, p.lint)
	target := p.options.Target
	if target == "" {
		target = p.file.stages[len(p.file.stages)-1].Name
	}
	p.global = platformArgs(target, p.buildArgs)
	p.used = map[string]bool{}
	if err := p.globalArgs(); err != nil {
		return err
	}
	if err := p.readEpoch(); err != nil {
		return err
	}
	p.byName = map[string]*stage{}
	for i, s := range p.file.stages {
		if err := p.addStage(i, s); err != nil {
			return parser.WithLocation(err, s.Location)
		}
	}
	for _, s := range p.stages {
		for _, c := range s.Commands {
			cmd, err := p.command(c)
			if err != nil {
				return parser.WithLocation(err, c.Location())
			}
			s.commands = append(s.commands, cmd)
		}
	}
	err := p.checkCycles()
	if len(p.stages) == 1 {
		p.stages[0].name = ""
	}
	return err
}

// globalArgs reads the ARGs before the first FROM.
func (p *planner) globalArgs() error {
	for _, c := range p.file.metaArgs {
		for _, a := range c.Args {
			value, given := p.buildArgs[a.Key]
			if given {
				p.used[a.Key] = true
			} else if a.Value != nil {
				r, err := p.lex.ProcessWordWithMatches(*a.Value, p.global)
				if err != nil {
					return parser.WithLocation(err, c.Location())
				}
				value, given = r.Result, true
			}
			if given {
				p.global.set(a.Key, value)
			}
		}
	}
	return nil
}

// readEpoch takes SOURCE_DATE_EPOCH from the build arguments or a global ARG: the date of all that is new in the image.
func (p *planner) readEpoch() error {
	text, ok := p.buildArgs["SOURCE_DATE_EPOCH"]
	if ok {
		p.used["SOURCE_DATE_EPOCH"] = true
	} else {
		text, _ = p.global.Get("SOURCE_DATE_EPOCH")
	}
	if text == "" {
		return nil
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return fmt.Errorf("invalid SOURCE_DATE_EPOCH: %s", text)
	}
	t := time.Unix(seconds, 0).UTC()
	p.epoch = &t
	return nil
}

// addStage expands a FROM and finds its base among the stages before it.
func (p *planner) addStage(i int, def instructions.Stage) error {
	lint := p.lint.WithMergedConfigFromComments(def.Comments)
	name, err := p.lex.ProcessWordWithMatches(def.BaseName, p.global)
	if err != nil {
		return err
	}
	p.lintFrom(name.Unmatched, def.Location, lint)
	if name.Result == "" {
		return fmt.Errorf("base name (%s) should not be blank", def.BaseName)
	}
	s := &stage{Stage: def, index: i, name: def.Name, base: p.byName[strings.ToLower(name.Result)]}
	s.BaseName = name.Result
	if s.name == "" {
		s.name = fmt.Sprintf("stage-%d", i)
	}
	if def.Platform != "" {
		if err := p.stagePlatform(s, lint); err != nil {
			return err
		}
	}
	p.stages = append(p.stages, s)
	if def.Name != "" {
		p.byName[strings.ToLower(def.Name)] = s
	}
	return nil
}

func (p *planner) stagePlatform(s *stage, lint *linter.Linter) error {
	m, err := p.lex.ProcessWordWithMatches(s.Platform, p.global)
	if err != nil {
		return fmt.Errorf("platform %s: %w", s.Platform, err)
	}
	p.lintFrom(m.Unmatched, s.Location, lint)
	if m.Result == "" {
		return fmt.Errorf("empty platform value from expression %s", s.Platform)
	}
	if err := checkPlatform(m.Result); err != nil {
		return err
	}
	p.lintPlatform(s, m, lint)
	return nil
}

// command finds the stages that an instruction reads.
func (p *planner) command(c instructions.Command) (command, error) {
	cmd := command{Command: c}
	switch c := c.(type) {
	case *instructions.CopyCommand:
		if c.From == "" {
			return cmd, nil
		}
		s, err := p.copySource(c)
		cmd.from = []*stage{s}
		return cmd, err
	case *instructions.RunCommand:
		for _, m := range instructions.GetMounts(c) {
			var s *stage
			if m.From != "" && m.From != "scratch" {
				s = p.stageOrImage(m.From, c.Location())
			}
			cmd.from = append(cmd.from, s)
		}
	}
	return cmd, nil
}

// copySource is the stage, by name or number, or the image of a COPY --from.
func (p *planner) copySource(c *instructions.CopyCommand) (*stage, error) {
	r, err := p.lex.ProcessWordWithMatches(c.From, env(nil))
	if err != nil {
		return nil, err
	}
	if r.Result != c.From {
		return nil, fmt.Errorf("variable expansion is not supported for --from, define a new stage with FROM using ARG from global scope as a workaround")
	}
	if i, err := strconv.Atoi(c.From); err == nil {
		if i < 0 || i >= len(p.stages) {
			return nil, fmt.Errorf("invalid stage index %d", i)
		}
		return p.stages[i], nil
	}
	return p.stageOrImage(c.From, c.Location()), nil
}

func (p *planner) stageOrImage(name string, at []parser.Range) *stage {
	if s, ok := p.byName[strings.ToLower(name)]; ok {
		return s
	}
	return &stage{Stage: instructions.Stage{BaseName: name, Location: at}, index: -1}
}

// checkCycles refuses stages that need each other.
func (p *planner) checkCycles() error {
	const busy, done = 1, 2
	state := map[*stage]int{}
	var visit func(*stage) error
	visit = func(s *stage) error {
		if state[s] == busy {
			return parser.WithLocation(fmt.Errorf("circular dependency detected on stage: %s", s.name), s.Location)
		}
		if state[s] == done {
			return nil
		}
		state[s] = busy
		for _, d := range s.deps() {
			if err := visit(d); err != nil {
				return err
			}
		}
		state[s] = done
		return nil
	}
	for _, s := range p.stages {
		if err := visit(s); err != nil {
			return err
		}
	}
	return nil
}

// target is the stage that is to become the image: by name or number, or the last.
func (p *planner) target() (*stage, error) {
	want := p.options.Target
	if want == "" {
		return p.stages[len(p.stages)-1], nil
	}
	if s, ok := p.byName[strings.ToLower(want)]; ok {
		return s, nil
	}
	if i, err := strconv.Atoi(want); err == nil && i >= 0 && i < len(p.stages) {
		return p.stages[i], nil
	}
	return nil, suggest.WrapError(fmt.Errorf("target stage %q could not be found", want), want, p.names(), true)
}

func (p *planner) names() []string {
	var names []string
	for _, s := range p.stages {
		if s.Name != "" {
			names = append(names, s.Name)
		}
	}
	return names
}

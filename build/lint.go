package build

import (
	"fmt"
	"io"
	"path"
	"regexp"
	"runtime"
	"strings"
	"sync"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerfile/shell"
	"github.com/moby/buildkit/util/suggest"
	"github.com/moby/patternmatcher"
)

// The rules of BuildKit's linter that its parser does not apply by itself (frontend/dockerfile/dockerfile2llb/validations.go).

// warnings collects what the linter finds, to be printed at the end of the build as buildx does.
type warnings struct {
	lines []string
	seen  map[string]bool
}

func (w *warnings) add(rule, _, _, message string, at []parser.Range) {
	line, _ := span(at)
	text := linter.LintFormatShort(rule, message, line)
	if w.seen[text] {
		return
	}
	if w.seen == nil {
		w.seen = map[string]bool{}
	}
	w.seen[text] = true
	w.lines = append(w.lines, text)
}

func (w *warnings) print(out io.Writer) {
	switch len(w.lines) {
	case 0:
		return
	case 1:
		fmt.Fprintf(out, "\n 1 warning found:\n")
	default:
		fmt.Fprintf(out, "\n %d warnings found:\n", len(w.lines))
	}
	for _, l := range w.lines {
		fmt.Fprintf(out, " - %s\n", l)
	}
}

// lintStages checks names and the casing of instructions.
func lintStages(stages []instructions.Stage, lint *linter.Linter) {
	names := map[string]bool{}
	for _, s := range stages {
		if s.Name == "" {
			continue
		}
		if s.Name == "context" || s.Name == "scratch" {
			lint.Run(&linter.RuleReservedStageName, s.Location, linter.RuleReservedStageName.Format(s.Name))
		}
		if names[s.Name] {
			lint.Run(&linter.RuleDuplicateStageName, s.Location, linter.RuleDuplicateStageName.Format(s.Name))
		}
		names[s.Name] = true
	}
	lintCasing(stages, lint)
}

// lintCasing wants all instructions in the case of most of them.
func lintCasing(stages []instructions.Stage, lint *linter.Linter) {
	balance := 0 // lower case less upper case
	each := func(f func(name string, at []parser.Range)) {
		for _, s := range stages {
			f(s.OrigCmd, s.Location)
			for _, c := range s.Commands {
				f(c.Name(), c.Location())
			}
		}
	}
	each(func(name string, _ []parser.Range) {
		switch name {
		case strings.ToLower(name):
			balance++
		case strings.ToUpper(name):
			balance--
		}
	})
	each(func(name string, at []parser.Range) {
		rule := &linter.RuleConsistentInstructionCasing
		if balance > 0 && name != strings.ToLower(name) {
			lint.Run(rule, at, rule.Format(name, "lowercase"))
		} else if balance <= 0 && name != strings.ToUpper(name) {
			lint.Run(rule, at, rule.Format(name, "uppercase"))
		}
	})
}

// lintUnmatched reports variables that an instruction uses and nothing defines.
func (d *dispatcher) lintUnmatched(c instructions.Command, unmatched map[string]struct{}) {
	for name := range unmatched {
		if d.stage.declares(name) {
			continue
		}
		match, _ := suggest.Search(name, d.stage.env.Keys(), true)
		d.lint.Run(&linter.RuleUndefinedVar, c.Location(), linter.RuleUndefinedVar.Format(name, match))
	}
}

// lintFrom reports variables of a FROM that no global ARG declares.
func (p *planner) lintFrom(unmatched map[string]struct{}, at []parser.Range, lint *linter.Linter) {
	known := p.global.Keys()
	for _, c := range p.file.metaArgs {
		for _, a := range c.Args {
			known = append(known, a.Key)
		}
	}
	for name := range unmatched {
		if match, _ := suggest.Search(name, known, true); !has(known, name) {
			lint.Run(&linter.RuleUndefinedArgInFrom, at, linter.RuleUndefinedArgInFrom.Format(name, match))
		}
	}
}

func has(list []string, s string) bool {
	for _, l := range list {
		if l == s {
			return true
		}
	}
	return false
}

// lintPlatform reports a FROM --platform that says what would be without it, or that is the same on every machine.
func (p *planner) lintPlatform(s *stage, m shell.ProcessWordResult, lint *linter.Linter) {
	_, target := m.Matched["TARGETPLATFORM"]
	if v, _ := p.global.Get("TARGETPLATFORM"); target && len(m.Matched) == 1 && len(m.Unmatched) == 0 && m.Result == v {
		lint.Run(&linter.RuleRedundantTargetPlatform, s.Location, linter.RuleRedundantTargetPlatform.Format(s.Platform))
	}
	if len(m.Matched) > 0 || len(m.Unmatched) > 0 || strings.Contains(s.Name, runtime.GOOS) || strings.Contains(s.Name, runtime.GOARCH) {
		return
	}
	lint.Run(&linter.RuleFromPlatformFlagConstDisallowed, s.Location, linter.RuleFromPlatformFlagConstDisallowed.Format(m.Result))
}

// tracker remembers an instruction of which only the last counts.
type tracker struct {
	at  []parser.Range
	set bool
}

func (t *tracker) used(c instructions.Command, lint *linter.Linter) {
	if t.set {
		lint.Run(&linter.RuleMultipleInstructionsDisallowed, t.at, linter.RuleMultipleInstructionsDisallowed.Format(c.Name()))
	}
	t.at, t.set = c.Location(), true
}

// lintSecret reports a variable that by its name holds a secret. The words are BuildKit's.
func (d *dispatcher) lintSecret(instruction, key string, at []parser.Range) {
	if secretName().MatchString(key) && !publicName().MatchString(key) {
		d.lint.Run(&linter.RuleSecretsUsedInArgOrEnv, at, linter.RuleSecretsUsedInArgOrEnv.Format(instruction, key))
	}
}

// Compiled when they are needed: what a package compiles for itself every start waits for.
var (
	secretName = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`(?i)(?:_|^)(?:apikey|auth|credential|credentials|key|password|pword|passwd|secret|token)(?:_|$)`)
	})
	publicName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?i)(?:_|^)(?:public|file|version)(?:_|$)`) })
)

// lintIgnored reports a source that .dockerignore leaves out.
func (d *dispatcher) lintIgnored(instruction, src string, at []parser.Range) {
	m := d.plan.ignore
	if m == nil || m.Exclusions() {
		return
	}
	src = path.Clean(src)
	if (src == "." || src == "/") && !ignoresAll(m) {
		return
	}
	if ok, err := m.MatchesOrParentMatches(src); err == nil && ok {
		d.lint.Run(&linter.RuleCopyIgnoredFile, at, linter.RuleCopyIgnoredFile.Format(instruction, src))
	}
}

func ignoresAll(m *patternmatcher.PatternMatcher) bool {
	for _, p := range m.Patterns() {
		if s := p.String(); !p.Exclusion() && (s == "*" || s == "**" || s == "**/*") {
			return true
		}
	}
	return false
}

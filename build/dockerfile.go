package build

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// dockerfile is a parsed Dockerfile.
type dockerfile struct {
	name     string // as messages name it
	data     []byte
	escape   rune
	stages   []instructions.Stage
	metaArgs []instructions.ArgCommand // before the first FROM
}

// parse reads a Dockerfile. What is wrong with it is a *parser.LocationError where it has a place.
func parse(name string, data []byte, buildArgs map[string]string, lint *linter.Linter) (*dockerfile, error) {
	if len(bytes.TrimSpace(data)) == 0 {
		return nil, errors.New("the Dockerfile cannot be empty")
	}
	if err := checkSyntax(data, buildArgs); err != nil {
		return nil, err
	}
	parsed, err := parser.Parse(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	for _, w := range parsed.Warnings {
		if w.URL == linter.RuleNoEmptyContinuation.URL && w.Location != nil {
			lint.Run(&linter.RuleNoEmptyContinuation, []parser.Range{*w.Location}, linter.RuleNoEmptyContinuation.Format())
		}
	}
	f := &dockerfile{name: name, data: data, escape: parsed.EscapeToken}
	f.stages, f.metaArgs, err = instructions.Parse(parsed.AST, lint)
	if err != nil {
		return nil, err
	}
	if len(f.stages) == 0 {
		return nil, errors.New("dockerfile contains no stages to build")
	}
	return f, nil
}

// checkSyntax accepts the `# syntax=` lines that name Docker's own frontend, whose newest syntax is built in, and no other.
func checkSyntax(data []byte, buildArgs map[string]string) error {
	ref, ok := buildArgs["BUILDKIT_SYNTAX"]
	var at []parser.Range
	if !ok {
		if ref, _, at, ok = parser.DetectSyntax(data); !ok {
			return nil
		}
	}
	name := strings.TrimPrefix(strings.TrimPrefix(ref, "docker.io/"), "docker/")
	name, _, _ = strings.Cut(name, "@")
	name, _, _ = strings.Cut(name, ":")
	if name == "dockerfile" || name == "dockerfile-upstream" {
		return nil
	}
	return parser.WithLocation(fmt.Errorf("frontend %s is not supported: only docker/dockerfile is built in", ref), at)
}

// newLinter makes the linter that a Dockerfile's `# check=` line, or the build argument in its stead, asks for.
func newLinter(data []byte, buildArgs map[string]string, warn linter.LintWarnFunc) (*linter.Linter, error) {
	text, ok := buildArgs["BUILDKIT_DOCKERFILE_CHECK"]
	if !ok {
		text, _, _, _ = parser.ParseDirective("check", data)
	}
	config, err := linter.ParseLintOptions(text)
	if err != nil {
		return nil, fmt.Errorf("check options: %w", err)
	}
	config.Warn = warn
	return linter.New(config), nil
}

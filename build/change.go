package build

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerfile/shell"
	docker "github.com/moby/docker-image-spec/specs-go/v1"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// changes are the instructions that --change takes (moby, builder/dockerfile/builder.go).
var changes = []string{
	"cmd", "entrypoint", "healthcheck", "env", "expose", "label", "onbuild", "stopsignal", "user", "volume", "workdir",
}

// Change applies Dockerfile instructions, a line each, to an image's config: --change of `commit` and `import`.
func Change(img *v1.Image, ext *docker.DockerOCIImageConfigExt, lines []string) error {
	if len(lines) == 0 {
		return nil
	}
	parsed, err := parser.Parse(strings.NewReader(strings.Join(lines, "\n")))
	if err != nil {
		return fmt.Errorf("change: %w", err)
	}
	s := &stage{config: imageConfig{Image: *img, docker: *ext}.clone(), workdir: true}
	s.env = env(s.config.Config.Env).clone()
	d := &dispatcher{plan: &planner{lex: shell.NewLex(parsed.EscapeToken)}, stage: s, lint: linter.New(&linter.Config{})}
	for _, node := range parsed.AST.Children {
		if !slices.Contains(changes, strings.ToLower(node.Value)) {
			return fmt.Errorf("%s is not a valid change command", strings.ToLower(node.Value))
		}
		if err := d.change(node); err != nil {
			return err
		}
	}
	history := img.History
	*img, *ext = s.config.Image, s.config.docker
	img.History = history
	return nil
}

func (d *dispatcher) change(node *parser.Node) error {
	c, err := instructions.ParseCommand(node)
	if err != nil {
		return err
	}
	d.command = command{Command: c}
	if err := d.expand(); err != nil {
		return err
	}
	if w, ok := c.(*instructions.WorkdirCommand); ok { // no directory is made
		dir := w.Path
		if !path.IsAbs(dir) {
			dir = path.Join("/", d.stage.config.Config.WorkingDir, dir)
		}
		d.stage.config.Config.WorkingDir = path.Clean(dir)
		return nil
	}
	return d.instruction()
}

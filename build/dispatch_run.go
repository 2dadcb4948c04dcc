package build

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// run turns a RUN into a step.
func (d *dispatcher) run(c *instructions.RunCommand) error {
	if instructions.GetSecurity(c) != instructions.SecuritySandbox {
		return errors.New("RUN --security=insecure is not supported")
	}
	if len(instructions.GetDevices(c)) > 0 {
		return errors.New("RUN --device is not supported")
	}
	s := d.stage
	op := &runOp{runKey: runKey{User: s.config.Config.User, Cwd: path.Join("/", s.config.Config.WorkingDir)}}
	args, shown, err := d.runArgs(c, op)
	if err != nil {
		return err
	}
	op.Args = args
	op.Env = runEnv(s)
	op.proxies = proxyEnv(d.plan.buildArgs)
	if op.Network, err = d.network(c); err != nil {
		return err
	}
	if err := d.mounts(c, op); err != nil {
		return err
	}
	vars := s.env.clone()
	for _, m := range op.Mounts {
		if m.SecretEnv != "" {
			vars.set(m.SecretEnv, "****")
		}
	}
	lex := *d.plan.lex
	lex.RawQuotes, lex.RawEscapes, lex.SkipUnsetEnv = true, true, true
	d.step(op, d.shown(shown, &lex, vars), "RUN "+strings.Join(args, " "))
	s.config.commit("RUN "+runHistory(args, s)+" # buildkit", true)
	return nil
}

// runArgs gives the command and how it is shown. A here-document that is the whole command is the shell's script, or with #! a program.
func (d *dispatcher) runArgs(c *instructions.RunCommand, op *runOp) (args []string, shown string, err error) {
	args, shown = c.CmdLine, c.String()
	if len(c.Files) > 0 {
		if len(args) != 1 || !c.PrependShell {
			return nil, "", fmt.Errorf("parsing produced an invalid run command: %v", args)
		}
		if parser.MustParseHeredoc(args[0]) == nil {
			args = []string{withDocuments(args[0], c.Files)}
			return d.stage.config.shell(args), shown, nil
		}
		doc := c.Files[0]
		shown += fmt.Sprintf(" (%s)", summary(doc.Data))
		data := doc.Data
		if doc.Chomp {
			data = parser.ChompHeredocContent(data)
		}
		args = []string{data}
		if strings.HasPrefix(data, "#!") {
			op.Script = &script{Name: doc.Name, Data: data}
			args = []string{path.Join(scriptDir, doc.Name)}
		}
	}
	if c.PrependShell {
		args = d.stage.config.shell(args)
	}
	return args, shown, nil
}

// withDocuments puts here-documents back where the shell reads them.
func withDocuments(line string, files []instructions.ShellInlineFile) string {
	for _, f := range files {
		line += "\n" + f.Data + f.Name
	}
	return line
}

// summary is the first line of a here-document.
func summary(doc string) string {
	first, _, more := strings.Cut(strings.ReplaceAll(strings.TrimSpace(doc), "\r\n", "\n"), "\n")
	if more {
		first += "..."
	}
	return first
}

// runEnv is the environment of a RUN. What only a proxy variable without a declaration set is not in it.
func runEnv(s *stage) []string { return slices.Clone(s.env) }

// runHistory is a RUN in the history: with the values of the declared build arguments in front, as |N k=v … .
func runHistory(args []string, s *stage) string {
	var declared env
	for _, a := range s.args {
		v, ok := s.env.Get(a.Key)
		if !ok {
			v = a.ValueString()
		}
		declared.set(a.Key, v)
	}
	words := []string(declared)
	if len(words) > 0 {
		words = append([]string{fmt.Sprintf("|%d", len(words))}, words...)
	}
	return strings.Join(append(words, args...), " ")
}

// network is what a RUN sees of the network.
func (d *dispatcher) network(c *instructions.RunCommand) (string, error) {
	mode := instructions.GetNetwork(c)
	if mode == instructions.NetworkDefault {
		mode = d.plan.options.Network
	}
	switch mode {
	case "", DefaultNetwork:
		return DefaultNetwork, nil
	case "host", "none":
		return mode, nil
	}
	return "", fmt.Errorf("network mode %q not supported by hoy build: default, host or none is expected", mode)
}

package cli

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"

	urfave "github.com/urfave/cli/v2"

	"codeberg.org/hoy/hoy/engine/cli/flags"
)

// Main runs one command line, args[0] being the name hoy was called by, and ends the process with the command's exit code.
func Main(args []string) {
	s := newSession(args[0])
	words := args[1:]
	if filepath.Base(args[0]) == runtimeName {
		words = append([]string{"oci"}, words...)
	}
	err := s.main(context.Background(), words)
	os.Exit(s.report(err))
}

// main finds the command, brings its line into the form that urfave/cli takes, and runs it.
func (s *session) main(ctx context.Context, args []string) error {
	root := s.root()
	line, err := flags.Normalize(root.flags, args, false)
	f, rest := s.find(line.Args)
	switch {
	case err != nil:
		return &usageError{err: err, found: found{command: root, path: []string{s.name}}, flag: true}
	case line.Help:
		return s.help(s.Out, f)
	}
	if f, rest, err = s.groupFlags(f, rest); err != nil {
		return err
	}
	app := &urfave.App{
		Name:                      s.name,
		Flags:                     table(root.flags, line),
		Action:                    func(*urfave.Context) error { return s.bare(f, rest) },
		Before:                    func(*urfave.Context) error { return s.before() },
		OnUsageError:              s.usageError(root.flags, found{command: root, path: f.path[:1]}),
		HideHelp:                  true,
		HideVersion:               true,
		DisableSliceFlagSeparator: true,
		ExitErrHandler:            func(*urfave.Context, error) {}, // report is the one that knows exit codes
		Writer:                    s.Out,
		ErrWriter:                 s.Err,
	}
	words := append(append([]string{s.name}, line.Flags...), "--")
	if f.run != nil {
		own, err := flags.Normalize(f.flags, rest, !f.ordered)
		if err != nil {
			return &usageError{err: err, found: f, flag: true}
		}
		if own.Help {
			return s.help(s.Out, f)
		}
		app.Commands = []*urfave.Command{s.urfave(f, own)}
		words = append(append(words, strings.Join(f.path[1:], " ")), own.Canonical()...)
	}
	return app.RunContext(ctx, words)
}

// groupFlags takes the flags of a group that has some, which stand before its command.
func (s *session) groupFlags(f found, rest []string) (found, []string, error) {
	if len(f.path) == 1 || len(f.subs) == 0 || len(f.flags) == 0 {
		return f, rest, nil
	}
	line, err := flags.Normalize(f.flags, rest, false)
	if err == nil {
		flags.Set(f.flags, line)
		err = flags.Failed(f.flags)
	}
	switch {
	case err != nil:
		return f, nil, &usageError{err: err, found: f, flag: true}
	case line.Help:
		return f, nil, errors.Join(s.help(s.Out, f), errDone)
	case s.runtime.version:
		return f, nil, errors.Join(s.printRuntimeVersion(), errDone)
	}
	f, rest = f.find(s, line.Args)
	return f, rest, nil
}

// urfave is f as urfave/cli runs it. A command of a group goes by one name of two words: its way through the tree has been found.
func (s *session) urfave(f found, line flags.Line) *urfave.Command {
	return &urfave.Command{
		Name:         strings.Join(f.path[1:], " "),
		Flags:        table(f.flags, line),
		OnUsageError: s.usageError(f.flags, f),
		HideHelp:     true,
		Action: func(c *urfave.Context) error {
			if err := f.checkArgs(c.NArg() + f.impliedArgs()); err != nil {
				return &usageError{err: err, found: f}
			}
			return f.run(c.Context, c.Args().Slice())
		},
	}
}

// usageError picks up the error of the flag whose value was refused: urfave/cli has only its text, in its own words.
func (s *session) usageError(list []*flags.Flag, f found) urfave.OnUsageErrorFunc {
	return func(_ *urfave.Context, err error, _ bool) error {
		if failed := flags.Failed(list); failed != nil {
			err = failed
		}
		var filter *unknownFilter
		if errors.As(err, &filter) {
			return filter
		}
		return &usageError{err: err, found: f, flag: true}
	}
}

// table is what urfave/cli has to know of a command's flags: those that the line has. It takes a microsecond for each, and run has two hundred.
func table(list []*flags.Flag, line flags.Line) []urfave.Flag {
	var out []urfave.Flag
	for _, f := range line.Used(list) {
		out = append(out, f)
	}
	return out
}

// bare ends a call that names no command, or only a group: help for "hoy" and "hoy image", an error for "hoy imgae".
func (s *session) bare(f found, rest []string) error {
	if len(rest) == 0 || rest[0] == "--help" || rest[0] == "-h" {
		return s.help(s.Out, f)
	}
	if strings.HasPrefix(rest[0], "-") {
		_, err := flags.Normalize(nil, rest, false)
		if err != nil {
			return &usageError{err: err, found: f, flag: true}
		}
	}
	return &unknownCommand{found: f, word: rest[0]}
}

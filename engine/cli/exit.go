package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"

	"codeberg.org/hoy/hoy/engine"
	"codeberg.org/hoy/hoy/engine/rootless"
	"codeberg.org/hoy/hoy/netns"
	"codeberg.org/hoy/hoy/netns/publish"
	"codeberg.org/hoy/hoy/storage"
)

// This file alone knows exit codes and hints, and prints errors. The codes are Docker's:
//
//	0    done
//	1    a command of hoy's failed; a wrong number of arguments; an unknown command
//	64   a template that cannot be parsed, for inspect, info and version
//	125  a wrong flag; run: hoy failed before the container's command began
//	126  run, exec: the command cannot be executed
//	127  run, exec: the command does not exist
//	130  interrupted
//	*    run, exec, start -a, attach: the container's own, or 128 and the number of the signal that ended it
const (
	codeFailed   = 1
	codeTemplate = 64
	codeAgain    = 75 // of the inner half of a rootless call to the outer: begin again; no user sees it
	codeUsage    = 125
	// of `unshare`, for its command
	codeNotExecutable = 126
	codeNotFound      = 127
	codeInterrupted   = 128 + int(syscall.SIGINT)
)

// errDone ends a call early and well.
var errDone = errors.New("done")

// exitStatus is how a container's command ended. It is no failure of hoy's and nothing is printed.
type exitStatus int

func (e exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// status is the error for a container's exit code: nil for 0.
func status(code int) error {
	if code == 0 {
		return nil
	}
	return exitStatus(code)
}

// coded is an error with an exit code of its own.
type coded struct {
	error
	code int
}

func (e coded) Unwrap() error { return e.error }

// runError gives an error of `run` its code: 125, or 126 and 127 when it is about the container's command.
func runError(err error) error {
	if err == nil {
		return nil
	}
	return coded{err, engine.ExitCode(err)}
}

// execError gives an error of `exec` its code: 126 and 127 when it is about the command, else 1.
func execError(err error) error {
	if err == nil {
		return nil
	}
	if code := engine.ExitCode(err); code != codeUsage {
		return coded{err, code}
	}
	return err
}

// flagError is for what only shows to be wrong with the flags of run and create when they are put together.
func flagError(err error) error {
	if err == nil {
		return nil
	}
	return coded{err, codeUsage}
}

// templateError is for a --format that cannot be parsed.
func templateError(err error) error {
	if err == nil {
		return nil
	}
	return coded{err, codeTemplate}
}

// usageError says what is wrong with a command line. The usage line of the command is printed below it.
type usageError struct {
	err   error
	found found
	flag  bool // a flag is wrong, not an argument
}

func (e *usageError) Error() string { return e.err.Error() }

func (e *usageError) Unwrap() error { return e.err }

// unknownCommand is a word that names no command below found.
type unknownCommand struct {
	found found
	word  string
}

func (e *unknownCommand) Error() string {
	return fmt.Sprintf("unknown command: %s %s", e.found.pathName(), e.word)
}

// report prints what err says, for a person, and returns the exit code.
func (s *session) report(err error) int {
	var (
		code    exitStatus
		usage   *usageError
		unknown *unknownCommand
	)
	switch {
	case err == nil || errors.Is(err, errDone):
		return 0
	case errors.As(err, &code):
		return int(code)
	case errors.As(err, &usage):
		return s.reportUsage(usage)
	case errors.As(err, &unknown):
		s.reportUnknown(unknown)
		return codeFailed
	case errors.Is(err, engine.ErrDetached):
		fmt.Fprintln(s.Err, err)
		return codeFailed
	case errors.Is(err, context.Canceled):
		return codeInterrupted
	case startOver(err):
		return codeAgain
	}
	for _, one := range parts(err) {
		s.complain(one)
	}
	var own coded
	if errors.As(err, &own) {
		return own.code
	}
	return codeFailed
}

// startOver has the outer half of a rootless call begin again in another user namespace, where what the call needs is.
func startOver(err error) bool {
	var elsewhere *rootless.Elsewhere
	return errors.As(err, &elsewhere) && rootless.Again(elsewhere.Pid)
}

func (s *session) reportUsage(e *usageError) int {
	name := e.found.pathName()
	if e.flag { // Docker prints these without a name before them
		fmt.Fprintf(s.Err, "%v\n\nUsage:  %s\n\nRun '%s --help' for more information\n", e.err, e.found.usageLine(), name)
		return codeUsage
	}
	fmt.Fprintf(s.Err, "%s: '%s' %v\n\nUsage:  %s\n\nRun '%s --help' for more information\n", s.name, name, e.err, e.found.usageLine(), name)
	return codeFailed
}

func (s *session) reportUnknown(e *unknownCommand) {
	fmt.Fprintf(s.Err, "%s: %v\n\nRun '%s --help' for more information\n", s.name, e, e.found.pathName())
	if near := e.found.nearest(e.word); near != "" {
		fmt.Fprintf(s.Err, "hint: did you mean '%s %s'?\n", e.found.pathName(), near)
	}
}

// complain prints one error on one line, and under it what can be done.
func (s *session) complain(err error) {
	text := strings.ReplaceAll(strings.TrimSpace(err.Error()), "\n", "; ")
	fmt.Fprintf(s.Err, "%s: %s\n", s.name, text)
	if h := hint(err); h != "" {
		fmt.Fprintf(s.Err, "hint: %s\n", h)
	}
}

// parts are the errors that errors.Join put together, in order.
func parts(err error) []error {
	if c, ok := err.(coded); ok {
		err = c.error
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var out []error
	for _, one := range joined.Unwrap() {
		out = append(out, parts(one)...)
	}
	return out
}

// hints say what to do about an error whose text does not say it already. The first that fits is taken.
var hints = []struct {
	err  error
	hint string
}{
	{engine.ErrNoContainer, "'hoy ps -a' lists all containers"},
	{engine.ErrAmbiguous, "give more of the id"},
	{engine.ErrNameInUse, "remove that container ('hoy rm NAME'), or choose another --name"},
	{engine.ErrRunning, "stop it first ('hoy stop'), or use --force"},
	{engine.ErrNewer, "use the newer hoy, or another --root"},
	{storage.ErrImageInUse, "remove those containers first ('hoy rm')"},
	{netns.ErrNoNetwork, "'hoy network ls' lists all networks, 'hoy network create' makes one"},
	{netns.ErrInUse, "stop or disconnect those containers first"},
	{publish.ErrTaken, "choose another port of the host, or 'hoy ps' for a container that has it"},
	{storage.ErrNoVolume, "'hoy volume ls' lists all volumes"},
	{storage.ErrCorrupt, "remove the image and pull or build it again"},
	{storage.ErrNoSpace, "free some space: 'hoy rm' and 'hoy rmi' remove containers and images, --root chooses another place"},
	{syscall.ENOSPC, "free some space: 'hoy rm' and 'hoy rmi' remove containers and images, --root chooses another place"},
	{syscall.EROFS, "choose a place that can be written, with --root or HOY_ROOT"},
}

// hint is what to do about err, or "". An error may say it itself, in a method Hint.
func hint(err error) string {
	var own interface{ Hint() string }
	if errors.As(err, &own) {
		return own.Hint()
	}
	for _, h := range hints {
		if errors.Is(err, h.err) {
			return h.hint
		}
	}
	return ""
}

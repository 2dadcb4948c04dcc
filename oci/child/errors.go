package child

import (
	"errors"
	"syscall"
)

// StepError says which step failed, on what, and why.
type StepError struct {
	Step  string        `json:"step"`            // the step's name in the table, "mounts"
	Path  string        `json:"path,omitempty"`  // what it was about: a path in the container, a name
	Errno syscall.Errno `json:"errno,omitempty"` // 0 when no system call failed
	Text  string        `json:"text,omitempty"`  // more than the errno says, or all there is to say
}

// Error gives "mounts: /data: no such file or directory". For the command itself it is Docker's wording:
// `exec: "foo": executable file not found in $PATH`.
func (e *StepError) Error() string {
	s := e.Step
	for _, part := range []string{e.Path, e.Text} {
		if part != "" {
			s += ": " + part
		}
	}
	if e.Errno != 0 {
		s += ": " + e.Errno.Error()
	}
	return s
}

// Unwrap gives the errno, so that errors.Is(err, syscall.ENOSPC) works.
func (e *StepError) Unwrap() error {
	if e.Errno == 0 {
		return nil
	}
	return e.Errno
}

// ExitCode is Docker's: 127 for a command or working directory that is not there, 126 for one that cannot be used, 125 for every other step.
func (e *StepError) ExitCode() int {
	switch {
	case e.Step != StepExec && e.Step != StepCwd:
		return 125
	case e.Errno == 0, e.Errno == syscall.ENOENT, e.Errno == syscall.ENOTDIR:
		return 127
	}
	return 126
}

// The steps whose failures are the command's own, not the engine's.
const (
	StepExec = "exec"
	StepCwd  = "cwd"
)

// at says what an error is about. nil stays nil.
func at(path string, err error) error {
	if err == nil {
		return nil
	}
	e := AsStep("", err)
	if e.Path == "" {
		e.Path = path
	}
	return e
}

// because is at with more to say than the error itself does.
func because(path, text string, err error) error {
	e := AsStep("", at(path, err))
	e.Text = text
	return e
}

// AsStep makes any error one of the step's.
func AsStep(step string, err error) *StepError {
	var e *StepError
	if errors.As(err, &e) {
		c := *e
		if c.Step == "" {
			c.Step = step
		}
		return &c
	}
	if errno, ok := err.(syscall.Errno); ok {
		return &StepError{Step: step, Errno: errno}
	}
	return &StepError{Step: step, Text: err.Error()}
}

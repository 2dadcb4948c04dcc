package child

import "syscall"

// StepError says which step failed, on what, and why. It travels from the child to the parent as JSON.
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

// ExitCode is Docker's: 127 for a command that is not there, 126 for one that cannot be run, 125 for every other step.
func (e *StepError) ExitCode() int {
	if e.Step != "exec" {
		return 125
	}
	switch e.Errno {
	case syscall.ENOENT, syscall.ENOTDIR:
		return 127
	case 0:
		return 127 // not found in $PATH
	}
	return 126
}

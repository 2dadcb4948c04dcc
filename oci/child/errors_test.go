package child

import (
	"errors"
	"fmt"
	"io"
	"syscall"
	"testing"
)

func TestStepError(t *testing.T) {
	tests := []struct {
		err  StepError
		text string
		code int
	}{
		{StepError{Step: "mounts", Path: "/data", Errno: syscall.ENOENT}, "mounts: /data: no such file or directory", 125},
		{StepError{Step: "user", Text: "unable"}, "user: unable", 125},
		{StepError{Step: "exec", Path: `"foo"`, Text: "executable file not found in $PATH"}, `exec: "foo": executable file not found in $PATH`, 127},
		{StepError{Step: "exec", Path: `"/x"`, Errno: syscall.ENOENT}, `exec: "/x": no such file or directory`, 127},
		{StepError{Step: "exec", Path: `"/x/y"`, Errno: syscall.ENOTDIR}, `exec: "/x/y": not a directory`, 127},
		{StepError{Step: "exec", Path: `"/x"`, Errno: syscall.EACCES}, `exec: "/x": permission denied`, 126},
		{StepError{Step: "exec", Path: `"/x"`, Errno: syscall.ENOEXEC}, `exec: "/x": exec format error`, 126},
		{StepError{Step: "cwd", Path: "/x", Errno: syscall.EACCES}, "cwd: /x: permission denied", 126},
		{StepError{Step: "cwd", Path: "/x", Errno: syscall.ENOENT}, "cwd: /x: no such file or directory", 127},
	}
	for _, tt := range tests {
		if got := tt.err.Error(); got != tt.text {
			t.Errorf("got %q, want %q", got, tt.text)
		}
		if got := tt.err.ExitCode(); got != tt.code {
			t.Errorf("%s: exit code %d, want %d", tt.text, got, tt.code)
		}
		if e := &tt.err; e.Errno != 0 && !errors.Is(e, e.Errno) {
			t.Errorf("%s is not its errno", tt.text)
		}
	}
}

func TestAsStep(t *testing.T) {
	tests := []struct {
		err  error
		want StepError
	}{
		{syscall.EPERM, StepError{Step: "s", Errno: syscall.EPERM}},
		{io.EOF, StepError{Step: "s", Text: "EOF"}},
		{at("/p", syscall.EPERM), StepError{Step: "s", Path: "/p", Errno: syscall.EPERM}},
		{at("/q", at("/p", syscall.EPERM)), StepError{Step: "s", Path: "/p", Errno: syscall.EPERM}},
		{because("/p", "why", syscall.EPERM), StepError{Step: "s", Path: "/p", Errno: syscall.EPERM, Text: "why"}},
		{fmt.Errorf("wrapped: %w", &StepError{Step: "inner", Text: "t"}), StepError{Step: "inner", Text: "t"}},
	}
	for _, tt := range tests {
		if got := AsStep("s", tt.err); *got != tt.want {
			t.Errorf("%v: got %+v, want %+v", tt.err, *got, tt.want)
		}
	}
	if at("/p", nil) != nil {
		t.Error("no error became one")
	}
}

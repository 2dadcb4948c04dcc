package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"codeberg.org/hoy/hoy/engine"
	"codeberg.org/hoy/hoy/storage"
)

// startFailure is an error of a start with Docker's exit code.
type startFailure int

func (e startFailure) Error() string { return "exec: \"x\": executable file not found in $PATH" }

func (e startFailure) ExitCode() int { return int(e) }

func TestReport(t *testing.T) {
	none := fmt.Errorf("No such container: x%w", hiddenIn(engine.ErrNoContainer))
	for _, c := range []struct {
		name string
		err  error
		code int
		want string
	}{
		{"nothing", nil, 0, ""},
		{"done", errDone, 0, ""},
		{"the container's own", status(42), 42, ""},
		{"the container's own, wrapped", fmt.Errorf("run: %w", status(137)), 137, ""},
		{"0 is no error", status(0), 0, ""},
		{"plain", errors.New("x"), 1, "hoy: x\n"},
		{"one line", errors.New("x\ny\n"), 1, "hoy: x; y\n"},
		{"interrupted", fmt.Errorf("pull: %w", context.Canceled), 130, ""},
		{"detached", engine.ErrDetached, 1, "read escape sequence\n"},
		{"hint", none, 1, "hoy: No such container: x\nhint: 'hoy ps -a' lists all containers\n"},
		{"several", errors.Join(none, errors.New("y")), 1, "hoy: No such container: x\nhint: 'hoy ps -a' lists all containers\nhoy: y\n"},
		{"run", runError(errors.New("x")), 125, "hoy: x\n"},
		{"run, several", runError(errors.Join(errors.New("x"), errors.New("y"))), 125, "hoy: x\nhoy: y\n"},
		{"run, not found", runError(startFailure(127)), 127, "hoy: exec: \"x\": executable file not found in $PATH\n"},
		{"exec", execError(errors.New("x")), 1, "hoy: x\n"},
		{"exec, not executable", execError(startFailure(126)), 126, "hoy: exec: \"x\": executable file not found in $PATH\n"},
		{"template", templateError(errors.New("x")), 64, "hoy: x\n"},
		{"full", fmt.Errorf("write: %w", syscall.ENOSPC), 1, "hoy: write: no space left on device\nhint: " + hint(storage.ErrNoSpace) + "\n"},
	} {
		s := newSession("hoy")
		s.Err = file(t, filepath.Join(t.TempDir(), "err"), os.O_RDWR|os.O_CREATE)
		if code := s.report(c.err); code != c.code || content(t, s.Err) != c.want {
			t.Errorf("%s: %d %q, want %d %q", c.name, code, content(t, s.Err), c.code, c.want)
		}
	}
}

// hidden is an error that a message does not show.
type hidden struct{ error }

func (hidden) Error() string { return "" }

func (h hidden) Unwrap() error { return h.error }

func hiddenIn(err error) error { return hidden{err} }

func TestEnvironment(t *testing.T) {
	t.Setenv("HOST", "given")
	name := filepath.Join(t.TempDir(), "env")
	if err := os.WriteFile(name, []byte("# comment\nA=1\nHOST\nUNSET_HERE\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := environment([]string{name}, []string{"B=2", "HOST", "C="})
	if want := "A=1 HOST=given B=2 HOST=given C="; err != nil || strings.Join(got, " ") != want {
		t.Errorf("%q, %v, want %q", got, err, want)
	}
	if _, err := environment([]string{"/nope"}, nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
}

func TestMatchReference(t *testing.T) {
	const name = "docker.io/library/busybox:1.36"
	for pattern, want := range map[string]bool{
		"busybox": true, "busybox:1.36": true, "busybox:*": true, "busy*": true, "docker.io/library/busybox": true, name: true,
		"busy": false, "busybox:2": false, "[": false, "*/busybox": false, "": false,
	} {
		if got := matchReference(pattern, name); got != want {
			t.Errorf("%q: %t", pattern, got)
		}
	}
}

func TestCidfile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "cid")
	f, err := openCidfile(name)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	if _, err := openCidfile(name); err == nil || !strings.HasPrefix(err.Error(), "container ID file found") {
		t.Errorf("existing: %v", err)
	}
	if _, err := openCidfile("/nope/cid"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no directory: %v", err)
	}
	if f, err := openCidfile(""); f != nil || err != nil {
		t.Errorf("none: %v, %v", f, err)
	}
}

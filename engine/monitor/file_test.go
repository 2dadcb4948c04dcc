package monitor

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestReadJSON(t *testing.T) {
	for _, test := range []struct{ name, content, problem string }{
		{"missing", "", "no such file"},
		{"empty", "\x00", "corrupt"},
		{"half", `{"version":1,"exit`, "corrupt"},
		{"trailing", `{"version":1}}`, "corrupt"},
		{"other type", `{"version":1,"exitCode":"a"}`, "corrupt"},
		{"newer", `{"version":2,"exitCode":"a"}`, "newer"},
		{"older", `{"exitCode":3}`, ""},
		{"this", `{"version":1,"exitCode":3}`, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "file")
			if test.content != "" {
				os.WriteFile(path, []byte(strings.Trim(test.content, "\x00")), 0o600)
			}
			var s State
			err := ReadJSON(path, &s, StateVersion)
			if test.problem == "" {
				if err != nil || s.ExitCode != 3 {
					t.Errorf("%v, %v", s, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), test.problem) || !strings.Contains(err.Error(), path) {
				t.Errorf("%v instead of %q", err, test.problem)
			}
			if errors.Is(err, ErrNewer) != (test.name == "newer") {
				t.Errorf("newer: %v", err)
			}
		})
	}
}

func TestState(t *testing.T) {
	p := testPlace(t)
	if s, err := ReadState(p); err != nil || s != (State{}) {
		t.Errorf("without a file: %v, %v", s, err)
	}
	if err := WriteState(p, State{}, Fleeting); err == nil {
		t.Error("written without a directory")
	}
	os.MkdirAll(p.Dir(), 0o700)
	want := State{Version: StateVersion, StartedAt: time.Now().UTC().Round(0), ExitCode: 3, Error: "a"}
	if err := WriteState(p, want, Durable); err != nil {
		t.Fatal(err)
	}
	if got, err := ReadState(p); err != nil || got != want {
		t.Errorf("%v, %v", got, err)
	}
	if left, _ := filepath.Glob(p.File("*.new")); left != nil {
		t.Errorf("left behind: %v", left)
	}
}

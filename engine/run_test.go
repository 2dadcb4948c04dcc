package engine

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"codeberg.org/hoy/hoy/oci"
)

func TestRunForeground(t *testing.T) {
	e := testEngine(t)
	cfg := shell(t, "echo out; echo err >&2; exit 7")
	cfg.AutoRemove = true
	code, out, errout := run(t, e, cfg)
	if code != 7 || out != "out\n" || errout != "err\n" {
		t.Errorf("%d %q %q", code, out, errout)
	}
	if l := left(e); l != "" {
		t.Errorf("left behind: %s", l)
	}
}

func TestRunWithoutLog(t *testing.T) {
	e := testEngine(t)
	cfg := shell(t, "echo out; echo err >&2")
	cfg.LogDriver = "none"
	code, out, errout := run(t, e, cfg)
	if code != 0 || out != "out\n" || errout != "err\n" {
		t.Errorf("%d %q %q", code, out, errout)
	}
	c := find(t, e, only(t, e).Name())
	if err := e.Logs(t.Context(), c, LogsOptions{}); err == nil {
		t.Error("logs of a container that keeps none")
	}
}

// only is the one container there is.
func only(t *testing.T, e *Engine) *Container {
	t.Helper()
	list, err := e.List(ListOptions{All: true})
	if err != nil || len(list) != 1 {
		t.Fatalf("%d containers, %v", len(list), err)
	}
	return list[0]
}

func TestRunCodes(t *testing.T) {
	for _, test := range []struct {
		name string
		cmd  []string
		code int
		err  bool // it did not start
	}{
		{"own", []string{"sh", "-c", "exit 3"}, 3, false},
		{"signal", []string{"sh", "-c", "kill -9 $$; sh -c 'kill -9 $PPID'; exit 1"}, 1, false}, // process 1 cannot kill itself
		{"not found", []string{"/nothing"}, 127, true},
		{"not in the path", []string{"nothing"}, 127, true},
		{"not executable", []string{"/etc/passwd"}, 126, true},
		{"a directory", []string{"/etc"}, 126, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			e := testEngine(t)
			cfg := shell(t, "")
			cfg.Cmd, cfg.AutoRemove = test.cmd, true
			c := create(t, e, cfg)
			code, err := e.Start(t.Context(), c, StartOptions{Foreground: true, SigProxy: true})
			if err != nil {
				code = ExitCode(err)
			}
			if code != test.code || (err != nil) != test.err {
				t.Errorf("%d, %v", code, err)
			}
			if l := left(e); l != "" {
				t.Errorf("left behind: %s", l)
			}
		})
	}
}

func TestDetachedCodes(t *testing.T) {
	e := testEngine(t)
	cfg := shell(t, "")
	cfg.Cmd = []string{"/nothing"}
	c := create(t, e, cfg)
	if _, err := e.Start(t.Context(), c, StartOptions{}); ExitCode(err) != 127 {
		t.Errorf("%v", err)
	}
	c = only(t, e)
	if c.State.Status != StatusCreated || c.State.ExitCode != 127 || !strings.Contains(c.State.Error, "/nothing") {
		t.Errorf("%+v", c.State)
	}
	if entries, _ := os.ReadDir(e.o.Run); len(entries) > 2 { // the store's
		t.Errorf("left behind: %v", entries)
	}
	cfg.AutoRemove = true
	c = create(t, e, cfg)
	if _, err := e.Start(t.Context(), c, StartOptions{}); ExitCode(err) != 127 {
		t.Errorf("%v", err)
	}
	only(t, e)
}

func TestExitedState(t *testing.T) {
	e := testEngine(t)
	before := time.Now()
	if code, _, _ := run(t, e, shell(t, "echo hello; printf unended; exit 3")); code != 3 {
		t.Error(code)
	}
	c := only(t, e)
	s := c.State
	if s.Status != StatusExited || s.ExitCode != 3 || s.Pid != 0 || s.StartedAt.Before(before) || s.FinishedAt.Before(s.StartedAt) {
		t.Errorf("%+v", s)
	}
	var out strings.Builder
	if err := e.Logs(t.Context(), c, LogsOptions{Out: &out, Err: io.Discard, Tail: -1}); err != nil || out.String() != "hello\nunended" {
		t.Errorf("%q, %v", out.String(), err)
	}
	if code, err := e.Wait(t.Context(), c); code != 3 || err != nil {
		t.Errorf("wait: %d, %v", code, err)
	}
	if err := e.Stop(t.Context(), c, StopOptions{}); err != nil {
		t.Errorf("stop: %v", err)
	}
	if err := e.Kill(c, ""); !errors.Is(err, ErrNotRunning) {
		t.Errorf("kill: %v", err)
	}
	if err := e.Remove(t.Context(), c, RemoveOptions{}); err != nil {
		t.Errorf("rm: %v", err)
	}
	if l := left(e); l != "" {
		t.Errorf("left behind: %s", l)
	}
}

func TestInputFile(t *testing.T) {
	e := testEngine(t)
	cfg := shell(t, "cat; echo end")
	cfg.OpenStdin, cfg.AutoRemove = true, true
	for _, foreground := range []bool{true, false} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			io.WriteString(w, strings.Repeat("a line\n", 20000))
			w.Close() // the half-close: cat ends
		}()
		out, _ := os.Create(t.TempDir() + "/out")
		c := create(t, e, cfg)
		o := StartOptions{Streams: Streams{In: r, Out: out}, Foreground: foreground, SigProxy: true, Attach: []string{"stdin", "stdout"}}
		if code, err := e.Start(t.Context(), c, o); code != 0 || err != nil {
			t.Errorf("%d, %v", code, err)
		}
		if got := read(t, out.Name()); got != strings.Repeat("a line\n", 20000)+"end\n" {
			t.Errorf("foreground %v: %d bytes", foreground, len(got))
		}
		r.Close()
		out.Close()
	}
}

// Without -i a container has no input, and does not wait for one.
func TestNoInput(t *testing.T) {
	e := testEngine(t)
	r, w, _ := os.Pipe()
	defer w.Close()
	defer r.Close()
	cfg := shell(t, "cat; ls -l /proc/self/fd/0")
	cfg.AutoRemove = true
	c := create(t, e, cfg)
	if code, err := e.Start(t.Context(), c, StartOptions{Streams: Streams{In: r}, Foreground: true, SigProxy: true}); code != 0 || err != nil {
		t.Errorf("%d, %v", code, err)
	}
}

// The container's end does not wait for more input.
func TestEndBeforeInput(t *testing.T) {
	e := testEngine(t)
	for _, foreground := range []bool{true, false} {
		r, w, _ := os.Pipe()
		cfg := shell(t, "exit 4")
		cfg.OpenStdin, cfg.AutoRemove = true, true
		c := create(t, e, cfg)
		o := StartOptions{Streams: Streams{In: r}, Foreground: foreground, SigProxy: true, Attach: []string{"stdin"}}
		if code, err := e.Start(t.Context(), c, o); code != 4 || err != nil {
			t.Errorf("%d, %v", code, err)
		}
		w.Close()
		r.Close()
	}
}

func TestCancelledStart(t *testing.T) {
	e := testEngine(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, o := range []StartOptions{{}, {Foreground: true, SigProxy: true}} {
		cfg := shell(t, "sleep 100")
		cfg.AutoRemove = true
		c := create(t, e, cfg)
		if _, err := e.Start(ctx, c, o); !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
		if l := left(e); l != "" {
			t.Errorf("left behind: %s", l)
		}
	}
	if _, err := e.Create(ctx, shell(t, ""), CreateOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if l := left(e); l != "" {
		t.Errorf("left behind: %s", l)
	}
}

func TestBadConfigs(t *testing.T) {
	e := testEngine(t)
	for name, change := range map[string]func(*oci.Config){
		"no command": func(c *oci.Config) { c.Cmd = nil },
		"bad name":   func(c *oci.Config) { c.Name = "a/b" },
		"no source":  func(c *oci.Config) { c.Mounts = []oci.Mount{{Type: oci.MountBind, Source: "/nowhere", Target: "/x"}} },
	} {
		cfg := shell(t, "true")
		change(cfg)
		if _, err := e.Create(t.Context(), cfg, CreateOptions{}); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", name, err)
		}
		if l := left(e); l != "" {
			t.Errorf("%s left behind: %s", name, l)
		}
	}
}

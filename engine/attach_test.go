package engine

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"codeberg.org/hoy/hoy/oci/plan"
)

// screen is the caller's terminal as a test sees it.
type screen struct {
	t      *testing.T
	master *os.File // what a person has in front of them
	slave  *os.File // what hoy has

	mu   sync.Mutex
	seen bytes.Buffer
	more *sync.Cond
}

func newScreen(t *testing.T) *screen {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skip(err)
	}
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Skip(err)
	}
	unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0)
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skip(err)
	}
	s := &screen{t: t, master: master, slave: slave}
	s.more = sync.NewCond(&s.mu)
	go func() {
		buf := make([]byte, 1024)
		for {
			n, err := master.Read(buf)
			if err != nil {
				return
			}
			s.mu.Lock()
			s.seen.Write(buf[:n])
			s.more.Broadcast()
			s.mu.Unlock()
		}
	}()
	t.Cleanup(func() { slave.Close() })
	return s
}

func (s *screen) streams() Streams { return Streams{In: s.slave, Out: s.slave, Err: s.slave} }

func (s *screen) size(rows, cols uint16) {
	unix.IoctlSetWinsize(int(s.master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: cols})
}

func (s *screen) typed(text string) { io.WriteString(s.master, text) }

// wait waits until the screen shows a text.
func (s *screen) wait(text string) {
	s.t.Helper()
	late := time.AfterFunc(10*time.Second, func() {
		s.mu.Lock()
		s.seen.WriteString("TOO LATE")
		s.more.Broadcast()
		s.mu.Unlock()
	})
	defer late.Stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	for !strings.Contains(s.seen.String(), text) {
		if strings.Contains(s.seen.String(), "TOO LATE") {
			s.t.Fatalf("%q, not %q", s.seen.String(), text)
		}
		s.more.Wait()
	}
	s.seen.Reset()
}

func (s *screen) cooked() bool {
	t, err := unix.IoctlGetTermios(int(s.slave.Fd()), unix.TCGETS)
	return err == nil && t.Lflag&unix.ICANON != 0 && t.Lflag&unix.ECHO != 0
}

type ended struct {
	code int
	err  error
}

func TestTerminal(t *testing.T) {
	e := testEngine(t)
	s := newScreen(t)
	s.size(33, 77)
	cfg := shell(t, `stty size; tty; trap "stty size" WINCH; echo ready; read x; echo "got $x"; read y; exit 3`)
	cfg.Tty, cfg.OpenStdin, cfg.AutoRemove = true, true, true
	c := create(t, e, cfg)
	done := make(chan ended)
	go func() {
		code, err := e.Start(t.Context(), c, StartOptions{Streams: s.streams(), Attach: []string{"stdin", "stdout", "stderr"}})
		done <- ended{code, err}
	}()
	s.wait("33 77\r\n/dev/pts/0\r\nready")
	if s.cooked() {
		t.Error("the terminal is not raw")
	}
	s.typed("hello\r")
	s.wait("got hello")
	s.size(44, 88)
	syscall.Kill(os.Getpid(), syscall.SIGWINCH) // the terminal is not this process's own
	time.Sleep(100 * time.Millisecond)
	s.typed("\r")
	s.wait("44 88")
	s.typed("\r")
	if got := <-done; got.code != 3 || got.err != nil {
		t.Errorf("%v", got)
	}
	if !s.cooked() {
		t.Error("the terminal is still raw")
	}
	if l := left(e); l != "" {
		t.Errorf("left behind: %s", l)
	}
}

func TestDetachAndAttach(t *testing.T) {
	e := testEngine(t)
	s := newScreen(t)
	cfg := shell(t, `echo ready; while read x; do echo "got $x"; [ "$x" = end ] && exit 6; done`)
	cfg.Tty, cfg.OpenStdin = true, true
	c := create(t, e, cfg)
	done := make(chan ended)
	go func() {
		code, err := e.Start(t.Context(), c, StartOptions{Streams: s.streams(), Attach: []string{"stdin", "stdout", "stderr"}})
		done <- ended{code, err}
	}()
	s.wait("ready")
	s.typed("\x10\x11")
	if got := <-done; !errors.Is(got.err, ErrDetached) {
		t.Fatalf("%v", got)
	}
	if !s.cooked() {
		t.Error("the terminal is still raw")
	}
	c = find(t, e, c.ID())
	if !c.Running() {
		t.Fatalf("%+v", c.State)
	}
	go func() {
		code, err := e.Attach(t.Context(), c, AttachOptions{Streams: s.streams(), DetachKeys: "a,b"})
		done <- ended{code, err}
	}()
	second := newScreen(t)
	go e.Attach(t.Context(), c, AttachOptions{Streams: second.streams(), NoStdin: true})
	time.Sleep(200 * time.Millisecond)
	s.typed("x\x10y\r")
	s.wait("got x\x10y")
	second.wait("got x\x10y")
	s.typed("end\r")
	if got := <-done; got.code != 6 || got.err != nil {
		t.Errorf("%v", got)
	}
	if _, err := e.Attach(t.Context(), find(t, e, c.ID()), AttachOptions{}); !errors.Is(err, ErrNotRunning) {
		t.Errorf("attach to what does not run: %v", err)
	}
}

// -d -i: input that nobody has yet is waited for, and comes from whoever attaches; the end of theirs is not the end.
func TestAttachInput(t *testing.T) {
	e := testEngine(t)
	cfg := shell(t, `while read x; do echo "got $x"; [ "$x" = end ] && exit 6; done; exit 1`)
	cfg.OpenStdin = true
	c := start(t, e, cfg)
	for _, line := range []string{"one\n", "end\n"} {
		r, w, _ := os.Pipe()
		io.WriteString(w, line)
		w.Close()
		out, _ := os.Create(t.TempDir() + "/out")
		type attached = ended
		done := make(chan attached)
		go func() {
			code, err := e.Attach(t.Context(), c, AttachOptions{Streams: Streams{In: r, Out: out}})
			done <- attached{code, err}
		}()
		waitLog(t, e, c, "got "+line)
		if line == "end\n" {
			if got := <-done; got.code != 6 || got.err != nil {
				t.Errorf("%v", got)
			}
		}
	}
}

func TestExec(t *testing.T) {
	e := testEngine(t)
	cfg := shell(t, `trap "exit 0" TERM; while :; do sleep 0.05; done`)
	cfg.Env = []string{"PATH=/bin", "A=1", "B=2"}
	c := start(t, e, cfg)
	for _, test := range []struct {
		name string
		o    ExecOptions
		code int
		out  string
	}{
		{"code", ExecOptions{Cmd: []string{"sh", "-c", "exit 7"}}, 7, ""},
		{"signal", ExecOptions{Cmd: []string{"sh", "-c", "kill -9 $$"}}, 137, ""},
		{"env", ExecOptions{Cmd: []string{"sh", "-c", "echo $A $B $C $HOME"}, Env: []string{"B=3", "C=4"}}, 0, "1 3 4 /\n"},
		{"user", ExecOptions{Cmd: []string{"id"}, User: "user"}, 0, "uid=7(user) gid=7(user) groups=7(user)\n"},
		{"cwd", ExecOptions{Cmd: []string{"sh", "-c", "pwd"}, WorkingDir: "/tmp"}, 0, "/tmp\n"},
		{"both", ExecOptions{Cmd: []string{"sh", "-c", "echo o; echo e >&2"}}, 0, "o\ne\n"},
		{"descriptors", ExecOptions{Cmd: []string{"sh", "-c", "cd /proc/self/fd; echo *"}}, 0, "0 1 2 3\n"}, // 3 is the shell's own, for the directory,
	} {
		if test.name == "user" && !plan.MapsGroup(7) {
			continue
		}
		out, _ := os.Create(t.TempDir() + "/out")
		test.o.Out, test.o.Err = out, out
		code, err := e.Exec(t.Context(), c, test.o)
		if got := read(t, out.Name()); code != test.code || err != nil || got != test.out {
			t.Errorf("%s: %d, %v, %q", test.name, code, err, got)
		}
		out.Close()
	}
	for cmd, code := range map[string]int{"/nothing": 127, "nothing": 127, "/etc/passwd": 126} {
		if _, err := e.Exec(t.Context(), c, ExecOptions{Cmd: []string{cmd}}); ExitCode(err) != code {
			t.Errorf("%s: %v", cmd, err)
		}
	}
	if err := e.Stop(t.Context(), c, StopOptions{}); err != nil {
		t.Error(err)
	}
	if _, err := e.Exec(t.Context(), find(t, e, c.ID()), ExecOptions{Cmd: []string{"true"}}); !errors.Is(err, ErrNotRunning) {
		t.Errorf("%v", err)
	}
}

func TestExecInput(t *testing.T) {
	e := testEngine(t)
	c := start(t, e, shell(t, "sleep 1000"))
	r, w, _ := os.Pipe()
	io.WriteString(w, "typed")
	w.Close()
	out, _ := os.Create(t.TempDir() + "/out")
	code, err := e.Exec(t.Context(), c, ExecOptions{Streams: Streams{In: r, Out: out}, Interactive: true, Cmd: []string{"cat"}})
	if got := read(t, out.Name()); code != 0 || err != nil || got != "typed" {
		t.Errorf("%d, %v, %q", code, err, got)
	}
}

func TestExecTerminal(t *testing.T) {
	e := testEngine(t)
	c := start(t, e, shell(t, "sleep 1000"))
	s := newScreen(t)
	s.size(22, 66)
	done := make(chan ended)
	go func() {
		o := ExecOptions{Streams: s.streams(), Tty: true, Interactive: true, Cmd: []string{"sh", "-c", "stty size; echo $TERM; read x; echo got $x; exit 4"}}
		code, err := e.Exec(t.Context(), c, o)
		done <- ended{code, err}
	}()
	s.wait("22 66\r\nxterm\r\n")
	s.typed("word\r")
	s.wait("got word")
	if got := <-done; got.code != 4 || got.err != nil {
		t.Errorf("%v", got)
	}
	if !s.cooked() {
		t.Error("the terminal is still raw")
	}
}

// A terminal of the caller's never gets into the container, with or without -t.
func TestCallersTerminal(t *testing.T) {
	e := testEngine(t)
	s := newScreen(t)
	cfg := shell(t, `tty; ls -l /proc/self/fd 2>/dev/null | grep -c /dev/pts; echo done`)
	cfg.OpenStdin, cfg.AutoRemove = true, true
	for _, driver := range []string{"", "none"} {
		cfg.LogDriver = driver
		c := create(t, e, cfg)
		o := StartOptions{Streams: s.streams(), Foreground: true, SigProxy: true, Attach: []string{"stdin", "stdout", "stderr"}}
		if _, err := e.Start(t.Context(), c, o); err != nil {
			t.Fatal(err)
		}
		s.wait("not a tty\r\n0\r\ndone")
	}
	running := start(t, e, shell(t, "sleep 1000"))
	o := ExecOptions{Streams: s.streams(), Interactive: true, Cmd: []string{"sh", "-c", "tty; echo done"}}
	if _, err := e.Exec(t.Context(), running, o); err != nil {
		t.Fatal(err)
	}
	s.wait("not a tty\r\ndone")
}

// A detached exec outlives its caller.
func TestExecDetached(t *testing.T) {
	e := testEngine(t)
	c := start(t, e, shell(t, "while [ ! -e /tmp/there ]; do sleep 0.02; done; exit 11"))
	if code, err := e.Exec(t.Context(), c, ExecOptions{Detach: true, Cmd: []string{"sh", "-c", "sleep 0.1; echo > /tmp/there"}}); code != 0 || err != nil {
		t.Fatalf("%d, %v", code, err)
	}
	if code, err := e.Wait(t.Context(), c); code != 11 || err != nil {
		t.Errorf("%d, %v", code, err)
	}
}

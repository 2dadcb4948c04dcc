package engine

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"codeberg.org/hoy/hoy/engine/monitor"
	"codeberg.org/hoy/hoy/engine/rootless"
	"codeberg.org/hoy/hoy/oci"
)

// helperVariable makes this program run a container in the foreground, to be killed: TestMain looks at it.
const helperVariable = "HOY_TEST_FOREGROUND"

// helper is what the program is told then.
type helper struct {
	Root, Run string
	Config    oci.Config
	Start     StartOptions
}

// runHelper is the program's life as a helper.
func runHelper(data string) {
	var h helper
	if err := json.Unmarshal([]byte(data), &h); err != nil {
		panic(err)
	}
	e, err := Open(Options{Root: h.Root, Run: h.Run, Rootless: rootless.Rootless(), UID: rootless.UID()})
	if err != nil {
		panic(err)
	}
	c, err := e.Create(noContext{}, &h.Config, CreateOptions{Run: true})
	if err != nil {
		panic(err)
	}
	h.Start.Streams = Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}
	code, err := e.Start(noContext{}, c, h.Start)
	if err != nil {
		os.Stderr.WriteString(err.Error())
		code = ExitCode(err)
	}
	os.Exit(code)
}

// noContext is a context that never ends.
type noContext struct{}

func (noContext) Deadline() (time.Time, bool) { return time.Time{}, false }
func (noContext) Done() <-chan struct{}       { return nil }
func (noContext) Err() error                  { return nil }
func (noContext) Value(any) any               { return nil }

// foreground starts a helper.
func foreground(t *testing.T, e *Engine, cfg *oci.Config, o StartOptions) *exec.Cmd {
	t.Helper()
	data, err := json.Marshal(helper{e.o.Root, e.o.Run, *cfg, o})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Stderr = os.Stderr
	cmd.Env = append(os.Environ(), helperVariable+"="+string(data))
	return cmd
}

func plainForeground() StartOptions { return StartOptions{Foreground: true, SigProxy: true} }

// monitorOf is the pid of a container's background monitor.
func monitorOf(t *testing.T, c *Container) int {
	t.Helper()
	entries, _ := os.ReadDir("/proc")
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		line, _ := os.ReadFile("/proc/" + entry.Name() + "/cmdline")
		if bytes.HasPrefix(line, []byte(monitor.Role+"\x00")) && bytes.Contains(line, []byte(c.ID())) {
			return pid
		}
	}
	t.Fatal("no monitor")
	return 0
}

// kill kills a process that is not our child, or is, and waits until it is gone.
func kill(t *testing.T, pid int) {
	t.Helper()
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		t.Fatal(err)
	}
	pidfd := os.NewFile(uintptr(fd), "pidfd")
	defer pidfd.Close()
	if err := unix.Kill(pid, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := monitor.WaitProcess(t.Context(), pidfd); err != nil {
		t.Fatal(err)
	}
	unix.Wait4(pid, nil, unix.WNOHANG, nil)
}

// A container outlives its monitor, and what it writes meanwhile is not lost; the next look gives it another, which learns how it ended.
func TestMonitorKilled(t *testing.T) {
	e := testEngine(t)
	c := start(t, e, shell(t, `trap "echo ending; exit 9" TERM; i=0; while :; do echo line $i; i=$((i+1)); sleep 0.02; done`))
	waitLog(t, e, c, "line 3\n")
	kill(t, monitorOf(t, c))
	time.Sleep(100 * time.Millisecond) // it writes with nobody there
	if c = find(t, e, c.ID()); !c.Running() {
		t.Fatalf("%+v", c.State)
	}
	waitLog(t, e, c, "line 12\n")
	if err := e.Stop(t.Context(), c, StopOptions{}); err != nil {
		t.Error(err)
	}
	c = find(t, e, c.ID())
	if c.State.Status != StatusExited || c.State.ExitCode != 9 {
		t.Errorf("%+v", c.State)
	}
	var log strings.Builder
	if err := e.Logs(t.Context(), c, LogsOptions{Out: &log, Err: io.Discard, Tail: -1}); err != nil {
		t.Error(err)
	}
	lines := strings.Split(strings.TrimSuffix(log.String(), "ending\n"), "\n")
	for i, line := range lines[:len(lines)-1] {
		if line != "line "+strconv.Itoa(i) {
			t.Fatalf("line %d is %q", i, line)
		}
	}
	if !strings.HasSuffix(log.String(), "ending\n") {
		t.Error("the end is missing")
	}
}

func TestMonitorAndContainerKilled(t *testing.T) {
	e := testEngine(t)
	c := start(t, e, shell(t, "sleep 1000"))
	m := monitorOf(t, c)
	unix.Kill(m, unix.SIGSTOP)
	unix.Kill(c.State.Pid, unix.SIGKILL)
	kill(t, m)
	c.process.Signal(syscall.SIGKILL)
	for c.process.Alive() {
		time.Sleep(time.Millisecond)
	}
	c = find(t, e, c.ID())
	if c.State.Status != StatusExited || c.State.ExitCode != monitor.CodeUnknown && c.State.ExitCode != 137 || c.State.FinishedAt.IsZero() {
		t.Errorf("%+v", c.State)
	}
	if _, err := os.Stat(c.place.RunDir()); !os.IsNotExist(err) {
		t.Errorf("run directory: %v", err)
	}
	if _, err := e.Start(t.Context(), c, StartOptions{}); err != nil {
		t.Error(err)
	}
}

// In the foreground killing hoy kills the container, and what --rm did not get to do is done by the next look.
func TestForegroundKilled(t *testing.T) {
	for _, rm := range []bool{false, true} {
		e := testEngine(t)
		cfg := shell(t, "echo ready; sleep 1000")
		cfg.AutoRemove, cfg.Name = rm, "web"
		cmd := foreground(t, e, cfg, plainForeground())
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		io.ReadFull(out, make([]byte, len("ready")))
		c := find(t, e, "web")
		if !c.Running() {
			t.Fatalf("%+v", c.State)
		}
		cmd.Process.Kill()
		cmd.Wait()
		for c.process.Alive() {
			time.Sleep(time.Millisecond)
		}
		now, err := e.Find("web")
		if rm {
			if !errors.Is(err, ErrNoContainer) || left(e) != "" {
				t.Errorf("%v; left behind: %s", err, left(e))
			}
			continue
		}
		if err != nil || now.State.ExitCode != monitor.CodeUnknown && now.State.ExitCode != 137 {
			t.Errorf("%v, %v", now, err)
		}
	}
}

// Signals in the foreground are the container's, and an interrupted start leaves nothing.
func TestForegroundSignals(t *testing.T) {
	e := testEngine(t)
	cfg := shell(t, `trap "exit 5" INT; echo ready; while :; do sleep 0.02; done`)
	cfg.AutoRemove = true
	cmd := foreground(t, e, cfg, plainForeground())
	out, _ := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	io.ReadFull(out, make([]byte, len("ready")))
	cmd.Process.Signal(syscall.SIGWINCH)
	cmd.Process.Signal(syscall.SIGINT)
	cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 5 {
		t.Errorf("exit code %d", code)
	}
	if l := left(e); l != "" {
		t.Errorf("left behind: %s", l)
	}
}

// When nobody reads the output any more the container learns it, and hoy does not die of it.
func TestForegroundBrokenPipe(t *testing.T) {
	e := testEngine(t)
	cfg := shell(t, "yes 2>/dev/null; exit 8")
	cfg.AutoRemove = true
	cmd := foreground(t, e, cfg, plainForeground())
	out, _ := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	io.ReadFull(out, make([]byte, 10))
	out.Close()
	cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 8 {
		t.Errorf("exit code %d (%v)", code, cmd.ProcessState)
	}
	if l := left(e); l != "" {
		t.Errorf("left behind: %s", l)
	}
}

// A client that is killed leaves the container it is attached to alone.
func TestClientKilled(t *testing.T) {
	e := testEngine(t)
	cfg := shell(t, "echo ready; sleep 1000")
	cfg.Name = "web"
	cmd := foreground(t, e, cfg, StartOptions{Attach: []string{"stdout"}})
	out, _ := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	io.ReadFull(out, make([]byte, len("ready")))
	cmd.Process.Kill()
	cmd.Wait()
	if c := find(t, e, "web"); !c.Running() {
		t.Errorf("%+v", c.State)
	}
}

func TestBrokenFiles(t *testing.T) {
	e := testEngine(t)
	for name, content := range map[string]string{
		"empty":   "",
		"half":    `{"version":1,"id":"`,
		"newer":   `{"version":99}`,
		"foreign": `{"version":1,"id":"x"}`,
	} {
		cfg := shell(t, "true")
		cfg.Name = "good-" + name
		if _, err := e.Create(t.Context(), cfg, CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		cfg.Name = "bad-" + name
		bad, err := e.Create(t.Context(), cfg, CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		os.WriteFile(bad.place.File(monitor.ConfigFile), []byte(content), 0o600)
		list, err := e.List(ListOptions{All: true})
		if len(list) != 1 || err == nil || !strings.Contains(err.Error(), bad.ID()[:12]) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %d containers, %v", name, len(list), err)
		}
		bad = find(t, e, "bad-"+name)
		if bad.State.Status != StatusDead || errors.Is(bad.broken, ErrNewer) != (name == "newer") {
			t.Errorf("%s: %+v", name, bad.State)
		}
		if _, err := e.Start(t.Context(), bad, StartOptions{}); err == nil {
			t.Errorf("%s: started", name)
		}
		for _, c := range []*Container{bad, find(t, e, "good-"+name)} {
			if err := e.Remove(t.Context(), c, RemoveOptions{}); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if l := left(e); strings.Contains(l, "containers") {
		t.Errorf("left behind: %s", l)
	}
}

func TestBrokenState(t *testing.T) {
	e := testEngine(t)
	run(t, e, shell(t, "true"))
	c := only(t, e)
	os.WriteFile(c.place.File(monitor.StateFile), []byte("{"), 0o600)
	if c = find(t, e, c.ID()); c.State.Status != StatusDead {
		t.Errorf("%+v", c.State)
	}
	if err := e.Remove(t.Context(), c, RemoveOptions{}); err != nil {
		t.Error(err)
	}
}

// What a killed create or rm has left is garbage to the next look.
func TestLeftovers(t *testing.T) {
	e := testEngine(t)
	p := e.place(newID())
	os.MkdirAll(p.File("upper/etc"), 0o700)
	os.MkdirAll(p.File("work/work"), 0)
	held := e.place(newID())
	os.MkdirAll(held.Dir(), 0o700)
	lock, err := held.Lock()
	if err != nil {
		t.Fatal(err)
	}
	if list, err := e.List(ListOptions{All: true}); len(list) != 0 || err != nil {
		t.Errorf("%v, %v", list, err)
	}
	if _, err := os.Stat(p.Dir()); !os.IsNotExist(err) {
		t.Errorf("garbage: %v", err)
	}
	if _, err := os.Stat(held.Dir()); err != nil {
		t.Errorf("a container that is being made: %v", err)
	}
	lock.Close()
}

func TestReboot(t *testing.T) {
	e := testEngine(t)
	for _, rm := range []bool{false, true} {
		cfg := shell(t, "true")
		cfg.AutoRemove, cfg.Name = rm, "web"+strconv.FormatBool(rm)
		c, err := e.Create(t.Context(), cfg, CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		// It ran in another boot, with the pid that we have now.
		ref := ownRef()
		ref.BootID = "another"
		if err := monitor.WriteState(c.place, monitor.State{Process: &ref, StartedAt: time.Now()}, monitor.Fleeting); err != nil {
			t.Fatal(err)
		}
	}
	list, err := e.List(ListOptions{All: true})
	if err != nil || len(list) != 1 || list[0].State.Status != StatusExited || list[0].State.ExitCode != monitor.CodeUnknown {
		t.Errorf("%v, %v", list, err)
	}
}

package engine

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestDetached(t *testing.T) {
	e := testEngine(t)
	cfg := shell(t, `trap "exit 9" TERM; echo ready; while :; do sleep 0.05; done`)
	cfg.Name = "web"
	c := start(t, e, cfg)
	if c.State.Status != StatusRunning || c.State.Pid == 0 || c.Name() != "web" {
		t.Errorf("%+v", c.State)
	}
	if !isID(c.ID()) || len(find(t, e, c.ID()[:7]).ID()) != 64 || find(t, e, "/web").ID() != c.ID() {
		t.Error("not found by name and prefix")
	}
	if list, err := e.List(ListOptions{}); err != nil || len(list) != 1 {
		t.Errorf("%d containers, %v", len(list), err)
	}
	if err := e.Remove(t.Context(), c, RemoveOptions{}); !errors.Is(err, ErrRunning) {
		t.Errorf("rm: %v", err)
	}
	if _, err := e.Start(t.Context(), c, StartOptions{}); err != nil {
		t.Errorf("start of a running one: %v", err)
	}
	waitLog(t, e, c, "ready\n")
	waited := make(chan int)
	go func() {
		code, _ := e.Wait(t.Context(), c)
		waited <- code
	}()
	if err := e.Stop(t.Context(), c, StopOptions{}); err != nil {
		t.Error(err)
	}
	if code := <-waited; code != 9 {
		t.Errorf("wait: %d", code)
	}
	c = find(t, e, "web")
	if c.State.Status != StatusExited || c.State.ExitCode != 9 {
		t.Errorf("%+v", c.State)
	}
	if list, err := e.List(ListOptions{}); err != nil || len(list) != 0 {
		t.Errorf("%d containers, %v", len(list), err)
	}
	if _, err := e.Start(t.Context(), c, StartOptions{}); err != nil { // once more
		t.Error(err)
	}
	if err := e.Remove(t.Context(), find(t, e, "web"), RemoveOptions{Force: true}); err != nil {
		t.Error(err)
	}
	if l := left(e); l != "" {
		t.Errorf("left behind: %s", l)
	}
}

// waitLog waits until the log has a text.
func waitLog(t *testing.T, e *Engine, c *Container, want string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	w := &waitFor{want: want, cancel: cancel}
	err := e.Logs(ctx, c, LogsOptions{Out: w, Err: w, Follow: true, Tail: -1})
	if !w.seen {
		t.Fatalf("the log is %q, without %q: %v", w.got.String(), want, err)
	}
}

type waitFor struct {
	want   string
	got    strings.Builder
	seen   bool
	cancel func()
}

func (w *waitFor) Write(b []byte) (int, error) {
	w.got.Write(b)
	if strings.Contains(w.got.String(), w.want) {
		w.seen = true
		w.cancel()
	}
	return len(b), nil
}

func TestStopByKill(t *testing.T) {
	e := testEngine(t)
	cfg := shell(t, `trap "" TERM; echo ready; while :; do sleep 0.05; done`)
	c := start(t, e, cfg)
	waitLog(t, e, c, "ready")
	second := 0
	if err := e.Stop(t.Context(), c, StopOptions{Timeout: &second}); err != nil {
		t.Error(err)
	}
	if c := find(t, e, c.ID()); c.State.ExitCode != 137 {
		t.Errorf("%+v", c.State)
	}
}

func TestKill(t *testing.T) {
	e := testEngine(t)
	c := start(t, e, shell(t, `trap "echo got; exit 5" USR1; echo ready; while :; do sleep 0.05; done`))
	waitLog(t, e, c, "ready")
	if err := e.Kill(c, "NOPE"); err == nil {
		t.Error("a signal that is none")
	}
	if err := e.Kill(c, "USR1"); err != nil {
		t.Error(err)
	}
	if code, err := e.Wait(t.Context(), c); code != 5 || err != nil {
		t.Errorf("%d, %v", code, err)
	}
}

func TestAutoRemoveDetached(t *testing.T) {
	e := testEngine(t)
	cfg := shell(t, "sleep 0.2; exit 6")
	cfg.AutoRemove = true
	c := start(t, e, cfg)
	if code, err := e.Wait(t.Context(), c); code != 6 || err != nil {
		t.Errorf("%d, %v", code, err)
	}
	if l := left(e); l != "" {
		t.Errorf("left behind: %s", l)
	}
	if _, err := e.Find(c.ID()); !errors.Is(err, ErrNoContainer) {
		t.Errorf("%v", err)
	}
}

func TestNames(t *testing.T) {
	e := testEngine(t)
	cfg := shell(t, "true")
	cfg.Name = "one"
	first, err := e.Create(t.Context(), cfg, CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Create(t.Context(), cfg, CreateOptions{}); !errors.Is(err, ErrNameInUse) || !strings.Contains(err.Error(), first.ID()) {
		t.Errorf("%v", err)
	}
	if only(t, e).ID() != first.ID() {
		t.Error("another container")
	}
	if err := e.Rename(first, "two"); err != nil {
		t.Error(err)
	}
	if find(t, e, "two").Name() != "two" {
		t.Error("not renamed")
	}
	if _, err := e.Find("one"); !errors.Is(err, ErrNoContainer) || err.Error() != "No such container: one" {
		t.Errorf("%v", err)
	}
	second, err := e.Create(t.Context(), cfg, CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Rename(second, "two"); !errors.Is(err, ErrNameInUse) {
		t.Errorf("%v", err)
	}
	if err := e.Rename(second, "t o"); err == nil {
		t.Error("a bad name")
	}
	if err := e.Remove(t.Context(), find(t, e, "two"), RemoveOptions{}); err != nil {
		t.Error(err)
	}
	if err := e.Rename(second, "two"); err != nil {
		t.Error(err)
	}
}

func TestStaleName(t *testing.T) {
	e := testEngine(t)
	cfg := shell(t, "true")
	cfg.Name = "web"
	os.MkdirAll(e.place("").Names(), 0o700)
	os.Symlink(newID(), e.place("").Names()+"/web")
	if _, err := e.Find("web"); !errors.Is(err, ErrNoContainer) {
		t.Errorf("%v", err)
	}
	c, err := e.Create(t.Context(), cfg, CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if find(t, e, "web").ID() != c.ID() {
		t.Error("not taken over")
	}
	os.Symlink(newID(), e.place("").Names()+"/nobody")
	only(t, e)
	if names, _ := os.ReadDir(e.place("").Names()); len(names) != 1 {
		t.Errorf("names: %v", names)
	}
}

func TestNameRace(t *testing.T) {
	e := testEngine(t)
	os.MkdirAll(e.place("").Names(), 0o700)
	for range 20 {
		os.Symlink(newID(), e.place("").Names()+"/web") // every second time nobody's
		var wg sync.WaitGroup
		won := make(chan string, 8)
		for range 8 {
			p := e.place(newID())
			lock, err := p.Lock()
			if err != nil {
				t.Fatal(err)
			}
			defer lock.Close()
			wg.Go(func() {
				err := e.claimName(p, "web")
				if err == nil {
					won <- p.ID
				} else if !errors.Is(err, ErrNameInUse) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		close(won)
		if len(won) != 1 {
			t.Fatalf("%d have the name", len(won))
		}
		if id, _ := os.Readlink(e.place("").Names() + "/web"); id != <-won {
			t.Fatal("the name is another's")
		}
		os.Remove(e.place("").Names() + "/web")
	}
}

func TestAmbiguous(t *testing.T) {
	e := testEngine(t)
	for _, id := range []string{"aa", "ab"} {
		p := e.place(id + strings.Repeat("0", 62))
		os.MkdirAll(p.Dir(), 0o700)
		r := &record{}
		r.ID = p.ID
		if err := writeRecord(p, r); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := e.Find("a"); !errors.Is(err, ErrAmbiguous) {
		t.Errorf("%v", err)
	}
	if find(t, e, "aa").ID()[:2] != "aa" {
		t.Error("another container")
	}
	for _, ref := range []string{"", ".", "..", "names", "garbage", "../x", "ac", "b"} {
		if c, err := e.Find(ref); !errors.Is(err, ErrNoContainer) {
			t.Errorf("%q: %v, %v", ref, c, err)
		}
	}
}

func TestManyAtOnce(t *testing.T) {
	e := testEngine(t)
	cfg := shell(t, "exit 2")
	cfg.AutoRemove = true
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			c, err := e.Create(t.Context(), cfg, CreateOptions{Run: true})
			if err != nil {
				t.Error(err)
				return
			}
			if code, err := e.Start(t.Context(), c, StartOptions{Foreground: true, SigProxy: true}); code != 2 || err != nil {
				t.Errorf("%d, %v", code, err)
			}
		})
	}
	wg.Wait()
	if l := left(e); l != "" {
		t.Errorf("left behind: %s", l)
	}
}

package cache

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func open(t *testing.T, root string) *Cache {
	t.Helper()
	c, err := Open(root)
	must(t, err)
	return c
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestKey(t *testing.T) {
	type step struct {
		Args []string
		Env  map[string]string
	}
	key := func(domain string, v any) string {
		k, err := Key(domain, v)
		must(t, err)
		return k
	}
	a := key("run", step{[]string{"a", "b"}, map[string]string{"x": "1", "y": "2"}})
	if a != key("run", step{[]string{"a", "b"}, map[string]string{"y": "2", "x": "1"}}) {
		t.Error("the order of a map counts")
	}
	for name, other := range map[string]string{
		"domain":   key("copy", step{[]string{"a", "b"}, map[string]string{"x": "1", "y": "2"}}),
		"words":    key("run", step{[]string{"a b"}, map[string]string{"x": "1", "y": "2"}}),
		"env":      key("run", step{[]string{"a", "b"}, map[string]string{"x": "1"}}),
		"emptyEnv": key("run", step{[]string{"a", "b"}, nil}),
	} {
		if other == a {
			t.Errorf("%s does not count", name)
		}
	}
	// A released key must not change by accident: all caches would go cold.
	if got := key("run", step{Args: []string{"true"}}); got != "8436b523cfea32df7d6e5f8fa28ef0348acb964b111228de7e0f7705dd59a03a" {
		t.Errorf("key %s", got)
	}
}

func TestRecords(t *testing.T) {
	c := open(t, t.TempDir())
	key := strings.Repeat("ab", 32)
	if c.Get(key) != nil {
		t.Fatal("a record out of nothing")
	}
	want := Record{Layer: "l1", Parent: "p", ID: key, Created: time.Now().UTC(), Step: "RUN x"}
	must(t, c.Put(key, want))
	got := c.Get(key)
	if got == nil || got.Layer != "l1" || got.Parent != "p" || !got.Created.Equal(want.Created) {
		t.Fatalf("got %+v", got)
	}
	for name, data := range map[string]string{
		"empty":   "",
		"torn":    `{"version":1,"layer":"x"`,
		"newer":   `{"version":2,"layer":"x","id":"y"}`,
		"nolayer": `{"version":1,"id":"y"}`,
	} {
		must(t, os.WriteFile(c.recordPath(key), []byte(data), 0o600))
		if c.Get(key) != nil {
			t.Errorf("%s: read", name)
		}
	}
	c.Drop(key)
	if left, _ := os.ReadDir(filepath.Dir(c.recordPath(key))); len(left) != 0 {
		t.Errorf("left %v", left)
	}
}

func TestLockIsHeldByOne(t *testing.T) {
	c := open(t, t.TempDir())
	ctx := context.Background()
	var wg sync.WaitGroup
	inside, most, waited := 0, 0, 0
	var mu sync.Mutex
	for range 8 {
		wg.Go(func() {
			unlock, err := c.Lock(ctx, "k", func() { mu.Lock(); waited++; mu.Unlock() })
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			inside++
			most = max(most, inside)
			mu.Unlock()
			time.Sleep(2 * time.Millisecond)
			mu.Lock()
			inside--
			mu.Unlock()
			unlock()
		})
	}
	wg.Wait()
	if most != 1 || waited == 0 {
		t.Errorf("%d at once, %d waited", most, waited)
	}
	if left, _ := os.ReadDir(filepath.Join(c.dir, "lock")); len(left) != 0 {
		t.Errorf("left %v", left)
	}
}

func TestLockEndsWithContext(t *testing.T) {
	c := open(t, t.TempDir())
	unlock, err := c.Lock(context.Background(), "k", nil)
	must(t, err)
	defer unlock()
	ctx, cancel := context.WithCancel(context.Background())
	if _, err := c.Lock(ctx, "k", cancel); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestWhatKilledBuildsLeft(t *testing.T) {
	root := t.TempDir()
	c := open(t, root)
	left := filepath.Join(c.dir, "tmp", "left")
	must(t, os.MkdirAll(filepath.Join(left, "deep"), 0o700))
	must(t, os.WriteFile(filepath.Join(c.dir, "lock", "left"), nil, 0o600))
	a, release, err := c.TempDir(context.Background())
	must(t, err)
	unlock, err := c.Lock(context.Background(), "held", nil)
	must(t, err)
	open(t, root) // the next build
	for p, want := range map[string]bool{left: false, filepath.Join(c.dir, "lock/left"): false, a: true, filepath.Join(c.dir, "lock/held"): true} {
		if _, err := os.Stat(p); (err == nil) != want {
			t.Errorf("%s: %v", p, err)
		}
	}
	must(t, release())
	unlock()
	if _, err := os.Stat(a); !os.IsNotExist(err) {
		t.Error("a released directory is still there")
	}
}

func TestDigests(t *testing.T) {
	c := open(t, t.TempDir())
	d := c.Digests("/ctx")
	now := time.Now()
	at := func(age time.Duration) *unix.Stat_t {
		ts := unix.NsecToTimespec(now.Add(-age).UnixNano())
		return &unix.Stat_t{Dev: 1, Ino: uint64(age), Size: 3, Mtim: ts, Ctim: ts}
	}
	second := at(time.Second)
	second.Mtim.Nsec, second.Ctim.Nsec = 0, 0
	for _, c := range []struct {
		name string
		st   *unix.Stat_t
		kept bool
	}{
		{"old", at(time.Minute), true},
		{"just older than a tick", at(21 * time.Millisecond), true},
		{"in the same tick", at(time.Millisecond), false},
		{"in the future", at(-time.Hour), false},
		{"whole seconds, young", second, false},
	} {
		d.Put(c.st, Digest{Sum: [32]byte{7}, Xattrs: true}, now)
		if _, ok := d.Get(c.st); ok != c.kept {
			t.Errorf("%s: kept %v", c.name, ok)
		}
	}
	must(t, d.Save())
	again := c.Digests("/ctx")
	got, ok := again.Get(at(time.Minute))
	if !ok || got.Sum[0] != 7 || !got.Xattrs {
		t.Errorf("after reading it again: %v %v", got, ok)
	}
	if _, ok := c.Digests("/other").Get(at(time.Minute)); ok {
		t.Error("another directory's")
	}
	changed := at(time.Minute)
	changed.Ctim.Nsec++
	if _, ok := again.Get(changed); ok {
		t.Error("a changed ctime is not noticed")
	}
}

func TestDigestsOfATornFile(t *testing.T) {
	c := open(t, t.TempDir())
	d := c.Digests("/ctx")
	must(t, os.WriteFile(d.path, []byte(digestsMagic+"half a record"), 0o600))
	if n := len(c.Digests("/ctx").known); n != 0 {
		t.Errorf("%d entries", n)
	}
}

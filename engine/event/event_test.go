package event

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestDecode(t *testing.T) {
	for line, want := range map[string]string{
		"":                         "",
		"{}":                       "",
		`{"type":"container","act`: "",
		`{"type":"container","action":"start","id":"a"}`:                    "start",
		`{"type":"cont{"type":"container","action":"start","id":"a"}`:       "start",
		`{"type":"container","action":"die","attributes":{"exitCode":"1"}}`: "die",
	} {
		if e, _ := decode([]byte(line)); e.Action != want {
			t.Errorf("%s: %q", line, e.Action)
		}
	}
}

// TestFollow: events that several writers append while the log is moved away under them all arrive, once, within the time allowed.
func TestFollow(t *testing.T) {
	root := t.TempDir()
	r, err := Open(root, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	const writers, each = 4, 300
	filler := strings.Repeat("x", 8<<10)
	ahead := make(chan struct{}, maxSize/(10<<10)) // a reader of a log that is moved twice before it looks misses some
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				ahead <- struct{}{}
				if err := Write(root, Event{Type: "container", Action: "start", ID: strconv.Itoa(w*each + i), Attributes: map[string]string{"f": filler}}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	seen := map[string]int{}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for len(seen) < writers*each {
		list, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range list {
			seen[e.ID]++
			<-ahead
		}
		if len(list) == 0 && r.Wait(ctx) != nil {
			t.Fatalf("%d of %d events", len(seen), writers*each)
		}
	}
	wg.Wait()
	for id, n := range seen {
		if n != 1 {
			t.Errorf("event %s came %d times", id, n)
		}
	}
	if fi, err := os.Stat(filepath.Join(root, "events/log.1")); err != nil || fi.Size() < maxSize {
		t.Error("the log was not moved:", err)
	}
	var total int64
	entries, _ := os.ReadDir(filepath.Join(root, "events"))
	for _, e := range entries {
		fi, _ := e.Info()
		total += fi.Size()
	}
	if total > 2*maxSize+1<<20 {
		t.Errorf("%d bytes are kept", total)
	}
}

func TestSince(t *testing.T) {
	root := t.TempDir()
	at := func(s int64) int64 { return time.Unix(s, 0).UnixNano() }
	if err := Write(root, Event{Action: "a", TimeNano: at(10)}, Event{Action: "b", TimeNano: at(20)}); err != nil {
		t.Fatal(err)
	}
	r, err := Open(root, time.Unix(20, 0))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	list, err := r.Next()
	if err != nil || len(list) != 1 || list[0].Action != "b" {
		t.Fatalf("%+v, %v", list, err)
	}
	begin := time.Now()
	go Write(root, Event{Action: "c"})
	for len(list) == 0 || list[0].Action != "c" {
		if err := r.Wait(context.Background()); err != nil {
			t.Fatal(err)
		}
		list, _ = r.Next()
	}
	if d := time.Since(begin); d > 50*time.Millisecond {
		t.Errorf("an event took %v", d)
	}
}

func BenchmarkWrite(b *testing.B) {
	root := b.TempDir()
	e := Event{Type: "container", Action: "start", ID: strings.Repeat("a", 64), Attributes: map[string]string{"image": "busybox", "name": "web"}}
	for b.Loop() {
		Write(root, e)
	}
}

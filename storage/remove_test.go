package storage

import (
	"errors"
	"os"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
)

func TestSingle(t *testing.T) {
	for _, c := range []struct {
		names []string
		want  bool
	}{
		{nil, true},
		{[]string{"docker.io/library/a:1"}, true},
		{[]string{"docker.io/library/a:1", "docker.io/library/a@sha256:0"}, true},
		{[]string{"docker.io/library/a:1", "docker.io/library/a:2"}, false},
		{[]string{"docker.io/library/a:1", "docker.io/library/b@sha256:0"}, false},
		{[]string{"localhost:5000/a"}, true},
	} {
		if got := single(c.names); got != c.want {
			t.Errorf("single(%v) = %v", c.names, got)
		}
	}
}

func TestChainID(t *testing.T) {
	a, b := "sha256:"+strings.Repeat("a", 64), "sha256:"+strings.Repeat("b", 64)
	if got := chainID([]string{a}); got != a {
		t.Errorf("one layer: %s", got)
	}
	// sha256 of "sha256:aaa… sha256:bbb…"
	if got := chainID([]string{a, b}); got == a || got == b || !strings.HasPrefix(got, "sha256:") {
		t.Errorf("two layers: %s", got)
	}
}

func TestRemove(t *testing.T) {
	users := func(string) []string { return []string{"web"} }
	for _, c := range []struct {
		name  string
		names []string
		ref   string // "ID" is the image's id
		o     RemoveOptions
		err   error
		lines []string // "-x" untagged x, "!" deleted the image, "/" deleted a layer
		left  bool
	}{
		{name: "the only name", names: []string{"a"}, ref: "a", lines: []string{"-a:latest", "!", "/"}},
		{name: "one of two names", names: []string{"a", "b"}, ref: "a", lines: []string{"-a:latest"}, left: true},
		{name: "by id", names: []string{"a"}, ref: "ID", lines: []string{"-a:latest", "!", "/"}},
		{name: "by id without a name", ref: "ID", lines: []string{"!", "/"}},
		{name: "by id with two names", names: []string{"a", "b"}, ref: "ID", err: ErrImageTagged, left: true},
		{name: "by id with two names, forced", names: []string{"a", "b"}, ref: "ID", o: RemoveOptions{Force: true}, lines: []string{"-a:latest", "-b:latest", "!", "/"}},
		{name: "in use", names: []string{"a"}, ref: "a", o: RemoveOptions{InUse: users}, err: ErrImageInUse, left: true},
		{name: "in use, another name stays", names: []string{"a", "b"}, ref: "a", o: RemoveOptions{InUse: users}, lines: []string{"-a:latest"}, left: true},
		{name: "in use, forced by name", names: []string{"a"}, ref: "a", o: RemoveOptions{InUse: users, Force: true}, lines: []string{"-a:latest"}, left: true},
		{name: "in use, forced by id", names: []string{"a"}, ref: "ID", o: RemoveOptions{InUse: users, Force: true}, err: ErrImageInUse, left: true},
		{name: "missing", names: []string{"a"}, ref: "z", err: ErrNoImage, left: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStore(t)
			img := makeImage(t, s, files{"f": "x"}, c.names...)
			ref := strings.Replace(c.ref, "ID", img.ID[:12], 1)
			removed, err := s.Remove(ctx, ref, c.o)
			if !errors.Is(err, c.err) {
				t.Fatalf("error %v, want %v", err, c.err)
			}
			if got := lines(removed, img); !reflect.DeepEqual(got, c.lines) {
				t.Errorf("removed %v, want %v", got, c.lines)
			}
			_, err = s.Image(ctx, img.ID)
			if left := err == nil; left != c.left {
				t.Errorf("left: %v", err)
			}
			if _, err := os.Stat(img.Layers[0]); (err == nil) != c.left {
				t.Errorf("layer: %v", err)
			}
		})
	}
}

func lines(removed []Removed, img *Image) []string {
	var out []string
	for _, r := range removed {
		switch {
		case r.Untagged != "":
			out = append(out, "-"+r.Untagged)
		case r.Deleted == "sha256:"+img.ID:
			out = append(out, "!")
		default:
			out = append(out, "/")
		}
	}
	return out
}

func TestRemoveKeepsSharedLayers(t *testing.T) {
	s := newStore(t)
	base := makeImage(t, s, files{"f": "x"}, "base")
	child, err := s.CreateImage(ctx, ImageSpec{
		Config: config("y"), Parent: base, Layers: []*Layer{layer(t, s, base.LayerIDs[0], files{"g": ""})}, Names: []string{"child"},
	})
	check(t, err)
	removed, err := s.Remove(ctx, "base", RemoveOptions{})
	check(t, err)
	if got := lines(removed, base); !reflect.DeepEqual(got, []string{"-base:latest", "!"}) {
		t.Errorf("removed %v", got)
	}
	if got, err := s.Image(ctx, "child"); err != nil || got.ID != child.ID {
		t.Fatalf("the child: %v", err)
	}
	removed, err = s.Remove(ctx, "child", RemoveOptions{})
	check(t, err)
	if got := lines(removed, child); !reflect.DeepEqual(got, []string{"-child:latest", "!", "/", "/"}) {
		t.Errorf("removed %v", got)
	}
	noTraceBut(t, s, 0)
}

// noTraceBut fails the test unless the store has no image and so many layers.
func noTraceBut(t testing.TB, s *Store, layers int) {
	t.Helper()
	snap, err := s.dir.Read()
	check(t, err)
	if len(snap.Images) != 0 || len(snap.Layers) != layers {
		t.Errorf("left: %d images, %d layers", len(snap.Images), len(snap.Layers))
	}
}

func TestRemoveWaitsForHolders(t *testing.T) {
	s := newStore(t)
	img := makeImage(t, s, files{"f": "x"}, "a")
	release, err := s.UseImage(img.ID)
	check(t, err)
	if _, err := s.Remove(ctx, "a", RemoveOptions{}); !errors.Is(err, ErrImageInUse) {
		t.Errorf("used by a build: %v", err)
	}
	release()
	hold, err := s.HoldImages()
	check(t, err)
	done := make(chan error)
	var asked atomic.Bool
	go func() {
		_, err := another(t, s).Remove(ctx, "a", RemoveOptions{InUse: func(string) []string { asked.Store(true); return nil }})
		done <- err
	}()
	select {
	case err := <-done:
		t.Fatalf("did not wait: %v", err)
	default:
	}
	if asked.Load() {
		t.Error("asked who uses the image while it was held")
	}
	hold()
	check(t, <-done)
}

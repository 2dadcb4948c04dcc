package storage

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

var ctx = context.Background()

func TestEmptyStoreReadsAsEmpty(t *testing.T) {
	dir := t.TempDir()
	s := storeIn(t, dir)
	if _, err := s.Image(ctx, "busybox"); !errors.Is(err, ErrNoImage) {
		t.Errorf("Image: %v", err)
	}
	if images, err := s.Images(ctx); err != nil || len(images) != 0 {
		t.Errorf("Images: %v, %v", images, err)
	}
	if s.HasLayer("abc") {
		t.Error("HasLayer of nothing")
	}
	if names, _ := os.ReadDir(dir); len(names) != 0 {
		t.Errorf("reading made %v", names)
	}
}

func TestCreateImage(t *testing.T) {
	s := newStore(t)
	bottom := layer(t, s, "", files{"a": "1", "d/b": "2"})
	top := layer(t, s, bottom.ID, files{"a": "3"})
	img, err := s.CreateImage(ctx, ImageSpec{Config: config("x"), Layers: []*Layer{bottom, top}, Names: []string{"app", "app:v1"}})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{top.Dir, bottom.Dir}; !slices.Equal(img.Layers, want) {
		t.Errorf("layers %v, want %v", img.Layers, want)
	}
	if got := mustRead(t, filepath.Join(img.Layers[0], "a")); got != "3" {
		t.Errorf("a = %q", got)
	}
	if len(img.DiffIDs) != 2 || img.Size <= 0 || len(img.ID) != 64 || !strings.HasPrefix(img.Digest, "sha256:") {
		t.Errorf("image %+v", img)
	}
	for _, ref := range []string{"app", "app:latest", "docker.io/library/app:v1", img.ID, "sha256:" + img.ID, img.ID[:8], img.Digest, "app@" + img.Digest} {
		got, err := another(t, s).Image(ctx, ref)
		if err != nil || got.ID != img.ID {
			t.Errorf("Image(%s): %v", ref, err)
		}
	}
	if names := leftovers(t, s); len(names) != 0 {
		t.Errorf("left: %v", names)
	}
	child, err := s.CreateImage(ctx, ImageSpec{Config: config("y"), Parent: img, Layers: []*Layer{layer(t, s, top.ID, files{"c": ""})}})
	if err != nil {
		t.Fatal(err)
	}
	if len(child.Layers) != 3 || !slices.Equal(child.DiffIDs[:2], img.DiffIDs) {
		t.Errorf("child layers %v, diff ids %v", child.Layers, child.DiffIDs)
	}
}

// A build that finds all its layers in the cache makes the same image again, and opens no library for that.
func TestCreateTheSameImageAgain(t *testing.T) {
	s := newStore(t)
	l := layer(t, s, "", files{"a": "1"})
	first, err := s.CreateImage(ctx, ImageSpec{Config: config("x"), Layers: []*Layer{l}, Names: []string{"app"}})
	check(t, err)
	o := another(t, s)
	cached, err := o.Layer(l.ID)
	check(t, err)
	again, err := o.CreateImage(ctx, ImageSpec{Config: config("x"), Layers: []*Layer{cached}, Names: []string{"app"}})
	check(t, err)
	if again.ID != first.ID || o.lib != nil {
		t.Errorf("got %s, want %s; library opened: %v", again.ID, first.ID, o.lib != nil)
	}
	more, err := o.CreateImage(ctx, ImageSpec{Config: config("x"), Layers: []*Layer{cached}, Names: []string{"app", "more"}})
	check(t, err)
	if len(more.Names) != 2 {
		t.Errorf("names %v", more.Names)
	}
}

func TestLayerChainFollowsChanges(t *testing.T) {
	s := newStore(t)
	bottom := layer(t, s, "", files{"a": ""})
	top := layer(t, s, bottom.ID, files{"b": ""})
	time.Sleep(60 * time.Millisecond)
	for range 2 { // the second time from the cache file
		if dirs, err := another(t, s).LayerChain(top.ID); err != nil || !slices.Equal(dirs, []string{top.Dir, bottom.Dir}) {
			t.Errorf("%v, %v", dirs, err)
		}
	}
	check(t, s.RemoveLayer(ctx, top.ID))
	if dirs, err := another(t, s).LayerChain(top.ID); !errors.Is(err, ErrNoLayer) {
		t.Errorf("removed: %v, %v", dirs, err)
	}
}

func TestLayersMustLieOnEachOther(t *testing.T) {
	s := newStore(t)
	a, b := layer(t, s, "", files{"a": ""}), layer(t, s, "", files{"b": ""})
	if _, err := s.CreateImage(ctx, ImageSpec{Config: config(""), Layers: []*Layer{a, b}, Names: []string{"bad"}}); err == nil {
		t.Error("no error")
	}
	if _, err := s.Image(ctx, "bad"); !errors.Is(err, ErrNoImage) {
		t.Errorf("the image is there: %v", err)
	}
}

func TestTagMovesFromTheOldImage(t *testing.T) {
	s := newStore(t)
	first := makeImage(t, s, files{"a": ""}, "app")
	second := makeImage(t, s, files{"b": ""}, "app")
	if got, err := s.Image(ctx, "app"); err != nil || got.ID != second.ID {
		t.Errorf("app is %v, %v", got, err)
	}
	old, err := s.Image(ctx, first.ID)
	if err != nil || len(old.Names) != 0 {
		t.Errorf("the old image: %+v, %v", old, err)
	}
	if err := s.Tag(ctx, first.ID[:12], "app:old"); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Image(ctx, "app:old"); err != nil || got.ID != first.ID {
		t.Errorf("app:old is %v, %v", got, err)
	}
	if err := s.Tag(ctx, "app", "x@sha256:"+first.ID); !errors.Is(err, ErrBadReference) {
		t.Errorf("a tag with a digest: %v", err)
	}
}

// The cache file must never tell of a past that another process has changed.
func TestCachedLookupFollowsChanges(t *testing.T) {
	s := newStore(t)
	first := makeImage(t, s, files{"a": ""}, "app")
	time.Sleep(60 * time.Millisecond) // until the record files count as settled
	for range 2 {
		if got, err := s.Image(ctx, "app"); err != nil || got.ID != first.ID {
			t.Fatalf("got %v, %v", got, err)
		}
	}
	cached, err := os.ReadDir(filepath.Join(s.options.Run, "images"))
	if err != nil || len(cached) != 1 {
		t.Fatalf("cache files: %v, %v", cached, err)
	}
	other := another(t, s)
	second := makeImage(t, other, files{"b": ""}, "app")
	if got, err := s.Image(ctx, "app"); err != nil || got.ID != second.ID {
		t.Errorf("after a new image: %v, %v", got, err)
	}
	if _, err := other.Remove(ctx, "app", RemoveOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Image(ctx, "app"); !errors.Is(err, ErrNoImage) {
		t.Errorf("after removal: %v", err)
	}
}

func TestCorruptCacheFileIsNotUsed(t *testing.T) {
	s := newStore(t)
	img := makeImage(t, s, files{"a": ""}, "app")
	time.Sleep(60 * time.Millisecond)
	for _, content := range []string{"", "{", `{"Version":1,"Ref":"app"}`} {
		if _, err := s.Image(ctx, "app"); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(s.cacheFile("app"), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Image(ctx, "app"); err != nil || got.ID != img.ID {
			t.Errorf("cache file %q: %v, %v", content, got, err)
		}
	}
}

func TestHistory(t *testing.T) {
	s := newStore(t)
	base := layer(t, s, "", files{"a": "1"})
	c := config("x")
	c.History = append(c.History, c.History[0])
	c.History[1].EmptyLayer, c.History[1].CreatedBy = true, "ENV x=y"
	if _, err := s.CreateImage(ctx, ImageSpec{Config: c, Layers: []*Layer{base, layer(t, s, base.ID, files{"b": "2"})}, Names: []string{"app"}}); err != nil {
		t.Fatal(err)
	}
	h, err := s.History(ctx, "app")
	if err != nil {
		t.Fatal(err)
	}
	if len(h) != 3 || h[0].Layer == "" || !h[1].EmptyLayer || h[1].Size != 0 || h[2].Layer != base.ID || h[2].Size <= 0 {
		t.Errorf("history %+v", h)
	}
}

func TestImagesNewestFirst(t *testing.T) {
	s := newStore(t)
	for i, name := range []string{"old", "new", "middle"} {
		c := config(name)
		created := testTime.Add([]time.Duration{0, 2, 1}[i] * time.Hour)
		c.Created = &created
		if _, err := s.CreateImage(ctx, ImageSpec{Config: c, Names: []string{name}}); err != nil {
			t.Fatal(err)
		}
	}
	images, err := s.Images(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, img := range images {
		got = append(got, familiar(img.Names)...)
	}
	if want := []string{"new:latest", "middle:latest", "old:latest"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

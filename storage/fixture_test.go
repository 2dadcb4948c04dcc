package storage

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// newStore opens a store in directories of its own. It needs the capabilities of root, at least in a user namespace.
func newStore(t testing.TB) *Store {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root, or root in a user namespace")
	}
	return storeIn(t, t.TempDir())
}

// storeIn opens the store of a directory.
func storeIn(t testing.TB, dir string) *Store {
	t.Helper()
	s, err := Open(Options{Root: filepath.Join(dir, "root"), Run: filepath.Join(dir, "run"), Rootless: rootless()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

// another opens the same store again, as another process would.
func another(t testing.TB, s *Store) *Store {
	t.Helper()
	o, err := Open(s.options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.Close() })
	return o
}

// files are the contents of a layer by path; those of a name with "/" at its end are directories.
type files map[string]string

func (f files) write(t testing.TB, dir string) {
	t.Helper()
	for name, content := range f {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if name[len(name)-1] == '/' {
			if err := os.MkdirAll(path, 0o755); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// layer commits a layer with the files.
func layer(t testing.TB, s *Store, parent string, f files) *Layer {
	t.Helper()
	var lower []string
	if parent != "" {
		var err error
		if lower, err = s.LayerChain(parent); err != nil {
			t.Fatal(err)
		}
	}
	g, err := s.StageLayer(lower)
	if err != nil {
		t.Fatal(err)
	}
	f.write(t, g.Dir)
	l, err := g.Commit(context.Background(), CommitOptions{Parent: parent})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// testTime is when all test images were created, unless they are to differ.
var testTime = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// config is a minimal image config.
func config(comment string) *v1.Image {
	created := testTime
	return &v1.Image{
		Created:  &created,
		Author:   comment,
		Platform: v1.Platform{Architecture: "amd64", OS: "linux"},
		Config:   v1.ImageConfig{Cmd: []string{"/bin/sh"}, Env: []string{"PATH=/bin"}},
		History:  []v1.History{{Created: &created, CreatedBy: "test " + comment}},
	}
}

// makeImage makes an image of one layer.
func makeImage(t testing.TB, s *Store, f files, names ...string) *Image {
	t.Helper()
	comment := ""
	for name := range f {
		comment = max(comment, name)
	}
	img, err := s.CreateImage(context.Background(), ImageSpec{Config: config(comment), Layers: []*Layer{layer(t, s, "", f)}, Names: names})
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// busybox makes an image that can be run.
func busybox(t testing.TB, s *Store, names ...string) *Image {
	t.Helper()
	data, err := os.ReadFile("/bin/busybox")
	if err != nil {
		t.Skip("needs /bin/busybox (busybox-static)")
	}
	return makeImage(t, s, files{"bin/busybox": string(data), "etc/": "", "tmp/": ""}, names...)
}

// leftovers gives what lies in the store's directory of leases.
func leftovers(t testing.TB, s *Store) []string {
	t.Helper()
	entries, err := os.ReadDir(s.leases())
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// mustRead reads all of a file.
func mustRead(t testing.TB, path string) string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	data, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// contextAfter gives a context that is cancelled as soon as the condition holds.
func contextAfter(t testing.TB, condition func() bool) (context.Context, context.CancelFunc) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		for !condition() && ctx.Err() == nil {
			time.Sleep(time.Millisecond)
		}
		cancel()
	}()
	return ctx, cancel
}

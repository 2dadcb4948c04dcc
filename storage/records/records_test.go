package records

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// store writes record files and gives their store.
func store(t testing.TB, images, layers, volatile string) Dir {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{
		"overlay-images/images.json": images, "overlay-layers/layers.json": layers, "overlay-layers/volatile-layers.json": volatile,
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if content == "missing" {
			continue
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return Dir(dir)
}

func TestReadRefusesBrokenFiles(t *testing.T) {
	for name, d := range map[string]Dir{
		"images": store(t, `[{"id":`, "[]", "missing"), "layers": store(t, "[]", "{}", "missing"), "volatile": store(t, "[]", "[]", "x"),
	} {
		if _, err := d.Read(); err == nil || !strings.Contains(err.Error(), ".json") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRead(t *testing.T) {
	for _, d := range []Dir{store(t, "missing", "missing", "missing"), store(t, "", "", "")} {
		if snap, err := d.Read(); err != nil || len(snap.Images) != 0 || len(snap.Layers) != 0 {
			t.Errorf("empty: %v, %v", snap, err)
		}
	}
	snap, err := store(t,
		`[{"id":"i","names":["n"],"layer":"b","big-data-digests":{"manifest":"sha256:1"},"created":"2026-01-01T00:00:00Z"}]`,
		`[{"id":"a","diff-digest":"sha256:2","diff-size":3},{"id":"b","parent":"a"}]`,
		`[{"id":"c","parent":"b","flags":{"incomplete":true}},{"id":"d","parent":"gone"},{"id":"e","parent":"f"},{"id":"f","parent":"e"}]`,
	).Read()
	if err != nil {
		t.Fatal(err)
	}
	if i := snap.Images[0]; i.ID != "i" || i.TopLayer != "b" || i.ManifestDigest() != "sha256:1" || i.Created.IsZero() {
		t.Errorf("image %+v", i)
	}
	for top, want := range map[string]string{"b": "ba", "a": "a", "c": "", "d": "", "e": "", "": "", "none": ""} {
		got := ""
		for _, l := range snap.Chain(top) {
			got += l.ID
		}
		if got != want {
			t.Errorf("chain of %q: %q, want %q", top, got, want)
		}
	}
}

func TestStateSeesChanges(t *testing.T) {
	d := store(t, "[]", "[]", "missing")
	before, err := d.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if before.Settled(time.Now()) || !before.Settled(time.Now().Add(time.Second)) {
		t.Error("a new file counts as settled, or an old one does not")
	}
	temp := d.LayersFile() + ".new"
	if err := os.WriteFile(temp, []byte("[]"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(temp, d.LayersFile()); err != nil {
		t.Fatal(err)
	}
	if after, err := d.Stat(); err != nil || after == before {
		t.Errorf("no change seen: %v", err)
	}
}

func TestBigData(t *testing.T) {
	for key, want := range map[string]string{
		"manifest": "manifest", "sha256:ab": "=c2hhMjU2OmFi", "Upper": "=VXBwZXI=", "a.b1": "a.b1",
	} {
		if got := Dir("/g").BigData("i", key); got != "/g/overlay-images/i/"+want {
			t.Errorf("%s: %s", key, got)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add(`[{"id":"i","names":["n"],"layer":"b"}]`, `[{"id":"a","parent":"a","flags":{"incomplete":1}}]`)
	f.Fuzz(func(t *testing.T, images, layers string) {
		snap, err := store(t, images, layers, "missing").Read()
		if err != nil {
			return
		}
		for _, i := range snap.Images {
			if i != nil {
				snap.Chain(i.TopLayer)
			}
		}
	})
}

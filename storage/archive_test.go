package storage

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// saveAll saves images and gives the archive.
func saveAll(t testing.TB, s *Store, o SaveOptions, refs ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	check(t, s.Save(ctx, &b, refs, o))
	return b.Bytes()
}

func loadAll(t testing.TB, s *Store, archive []byte) []Loaded {
	t.Helper()
	loaded, err := s.Load(ctx, bytes.NewReader(archive), LoadOptions{})
	check(t, err)
	if names := leftovers(t, s); len(names) != 0 {
		t.Errorf("load left %v", names)
	}
	return loaded
}

func TestSaveAndLoad(t *testing.T) {
	s := newStore(t)
	first := busybox(t, s, "box", "box:v1")
	second := makeImage(t, s, files{"a": "1"}, "reg.example/x/y:z")
	for _, format := range []string{"", "docker-archive", "oci-archive"} {
		archive := saveAll(t, s, SaveOptions{Format: format}, "box", "box:v1", "reg.example/x/y:z", second.ID)
		if again := saveAll(t, s, SaveOptions{Format: format}, "box", "box:v1", "reg.example/x/y:z", second.ID); !bytes.Equal(archive, again) {
			t.Errorf("%s: two archives differ", format)
		}
		o := newStore(t)
		got := loadAll(t, o, archive)
		want := []Loaded{{"box:latest", first.ID}, {"box:v1", first.ID}, {"reg.example/x/y:z", second.ID}}
		if !slices.Equal(got, want) {
			t.Errorf("%s: loaded %v, want %v", format, got, want)
		}
		img, err := o.Image(ctx, "box:v1")
		check(t, err)
		if img.ID != first.ID || !slices.Equal(img.DiffIDs, first.DiffIDs) {
			t.Errorf("%s: %+v", format, img)
		}
		if a, b := mustRead(t, filepath.Join(img.Layers[0], "bin/busybox")), mustRead(t, "/bin/busybox"); a != b {
			t.Errorf("%s: busybox has changed", format)
		}
		if again := saveAll(t, o, SaveOptions{Format: format}, "box", "box:v1", "reg.example/x/y:z", second.ID); !bytes.Equal(archive, again) {
			t.Errorf("%s: the archive of the loaded images differs", format)
		}
	}
}

func TestSaveRefusesAnUnknownFormat(t *testing.T) {
	s := newStore(t)
	if err := s.Save(ctx, io.Discard, nil, SaveOptions{Format: "zip"}); err == nil {
		t.Error("no error")
	}
	if err := s.Save(ctx, io.Discard, []string{"missing"}, SaveOptions{}); !errors.Is(err, ErrNoImage) {
		t.Errorf("missing: %v", err)
	}
}

func TestLoadCompressed(t *testing.T) {
	s := newStore(t)
	img := makeImage(t, s, files{"a": "1"}, "app")
	archive := saveAll(t, s, SaveOptions{}, "app")
	var gz, zst bytes.Buffer
	g := gzip.NewWriter(&gz)
	g.Write(archive)
	check(t, g.Close())
	z, err := zstd.NewWriter(&zst)
	check(t, err)
	z.Write(archive)
	check(t, z.Close())
	inputs := map[string][]byte{"gzip": gz.Bytes(), "zstd": zst.Bytes()}
	for _, tool := range []string{"xz", "bzip2"} {
		cmd := exec.Command(tool, "-c")
		cmd.Stdin = bytes.NewReader(archive)
		if out, err := cmd.Output(); err == nil {
			inputs[tool] = out
		}
	}
	for name, data := range inputs {
		o := newStore(t)
		if got := loadAll(t, o, data); !slices.Equal(got, []Loaded{{"app:latest", img.ID}}) {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestLoadOfWhatIsThereOnlyNames(t *testing.T) {
	s := newStore(t)
	img := makeImage(t, s, files{"a": "1"}, "app")
	archive := saveAll(t, s, SaveOptions{}, "app")
	_, err := s.Remove(ctx, "app", RemoveOptions{InUse: func(string) []string { return []string{"c1"} }, Force: true})
	check(t, err)
	check(t, s.Close())
	loadAll(t, s, archive)
	got, err := s.Image(ctx, "app")
	check(t, err)
	if got.ID != img.ID || !slices.Equal(got.LayerIDs, img.LayerIDs) {
		t.Errorf("got %+v", got)
	}
}

func TestLoadRefusesWhatIsNone(t *testing.T) {
	empty := tarOf(t, map[string]string{"readme": "hello"})
	for name, data := range map[string][]byte{"nothing": nil, "text": []byte("hello, this is no tar"), "another tar": empty} {
		s := newStore(t)
		if loaded, err := s.Load(ctx, bytes.NewReader(data), LoadOptions{}); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, %v", name, loaded, err)
		}
		if names := leftovers(t, s); len(names) != 0 {
			t.Errorf("%s: left %v", name, names)
		}
	}
}

func tarOf(t testing.TB, contents map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	tw := tar.NewWriter(&b)
	for name, content := range contents {
		check(t, tw.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content))}))
		_, err := tw.Write([]byte(content))
		check(t, err)
	}
	check(t, tw.Close())
	return b.Bytes()
}

// rewrite copies an archive with the content of one of its files changed.
func rewrite(t testing.TB, archive []byte, change func(name string, content []byte) []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	tw := tar.NewWriter(&b)
	for tr := tar.NewReader(bytes.NewReader(archive)); ; {
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		check(t, err)
		content, err := io.ReadAll(tr)
		check(t, err)
		content = change(h.Name, content)
		h.Size = int64(len(content))
		check(t, tw.WriteHeader(h))
		_, err = tw.Write(content)
		check(t, err)
	}
	check(t, tw.Close())
	return b.Bytes()
}

// noTrace fails the test unless the store is empty: no image, no layer, no lease, no name.
func noTrace(t testing.TB, s *Store) {
	t.Helper()
	snap, err := s.dir.Read()
	check(t, err)
	if len(snap.Images) != 0 || len(snap.Layers) != 0 {
		t.Errorf("left: %d images, %d layers", len(snap.Images), len(snap.Layers))
	}
	dirs, err := filepath.Glob(filepath.Join(string(s.dir), "overlay", "????????????????????????????????????????????????????????????????"))
	check(t, err)
	if len(dirs) != 0 {
		t.Errorf("left: %v", dirs)
	}
	if names := leftovers(t, s); len(names) != 0 {
		t.Errorf("left: %v", names)
	}
}

func TestLoadOfACorruptLayerKeepsNothing(t *testing.T) {
	s := newStore(t)
	below := layer(t, s, "", files{"below": "x"})
	top := layer(t, s, below.ID, files{"secret": "abcdefgh"})
	_, err := s.CreateImage(ctx, ImageSpec{Config: config("x"), Layers: []*Layer{below, top}, Names: []string{"app"}})
	check(t, err)
	for _, format := range []string{"docker-archive", "oci-archive"} {
		bad := rewrite(t, saveAll(t, s, SaveOptions{Format: format}, "app"), func(_ string, content []byte) []byte {
			return bytes.Replace(content, []byte("abcdefgh"), []byte("ABCDEFGH"), 1)
		})
		o := newStore(t)
		if _, err := o.Load(ctx, bytes.NewReader(bad), LoadOptions{}); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v", format, err)
		}
		noTrace(t, o)
	}
}

func TestLoadOfATruncatedArchiveKeepsNothing(t *testing.T) {
	s := newStore(t)
	busybox(t, s, "box")
	archive := saveAll(t, s, SaveOptions{}, "box")
	for _, n := range []int{600, len(archive) / 2, len(archive) - 3000} {
		o := newStore(t)
		if _, err := o.Load(ctx, bytes.NewReader(archive[:n]), LoadOptions{}); err == nil {
			t.Errorf("%d bytes: no error", n)
		}
		noTrace(t, o)
	}
}

// An archive's names must not lead out of the directory that it is unpacked in.
func TestLoadOfAMaliciousLayout(t *testing.T) {
	s := newStore(t)
	outside := filepath.Join(t.TempDir(), "outside")
	data := tarOf(t, map[string]string{
		"index.json": `{"schemaVersion":2,"manifests":[]}`, "oci-layout": `{"imageLayoutVersion":"1.0.0"}`,
		"blobs/sha256/../../../../../../../../" + outside: "x", "../x": "x", "blobs/../../y": "x", outside: "x",
	})
	if _, err := s.Load(ctx, bytes.NewReader(data), LoadOptions{}); err != nil {
		t.Logf("refused: %v", err)
	}
	if _, err := os.Stat(outside); err == nil {
		t.Error("a file was written outside")
	}
	noTrace(t, s)
}

// skopeo reads what hoy saves, and hoy what skopeo writes.
func TestArchivesOfSkopeo(t *testing.T) {
	if _, err := exec.LookPath("skopeo"); err != nil {
		t.Skip("needs skopeo")
	}
	s := newStore(t)
	img := busybox(t, s, "box:v1")
	dir := t.TempDir()
	ours := filepath.Join(dir, "ours.tar")
	check(t, os.WriteFile(ours, saveAll(t, s, SaveOptions{}, "box:v1"), 0o644))
	for name, theirs := range map[string]string{
		"docker": "docker-archive:" + dir + "/d.tar:other/name:1", "oci": "oci-archive:" + dir + "/o.tar:other/name:1",
	} {
		out, err := exec.Command("skopeo", "--insecure-policy", "--tmpdir", dir, "copy", "docker-archive:"+ours, theirs).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %s", name, out)
		}
		file, err := os.Open(strings.Split(theirs, ":")[1])
		check(t, err)
		o := newStore(t)
		loaded, err := o.Load(ctx, file, LoadOptions{})
		file.Close()
		check(t, err)
		if len(loaded) != 1 || loaded[0].Name != "other/name:1" {
			t.Errorf("%s: loaded %v", name, loaded)
		}
		got, err := o.Image(ctx, "other/name:1")
		check(t, err)
		if !slices.Equal(got.DiffIDs, img.DiffIDs) {
			t.Errorf("%s: diff ids %v, want %v", name, got.DiffIDs, img.DiffIDs)
		}
	}
	out, err := exec.Command("skopeo", "--tmpdir", dir, "inspect", "--config", "docker-archive:"+ours).CombinedOutput()
	if err != nil {
		t.Fatalf("%s", out)
	}
	var c struct{ Architecture string }
	if err := json.Unmarshal(out, &c); err != nil || c.Architecture != "amd64" {
		t.Errorf("config %s", out)
	}
}

// Another tool, with another version of containers/storage, reads the store itself: it makes the same tars of the layers.
func TestSkopeoReadsTheStore(t *testing.T) {
	if _, err := exec.LookPath("skopeo"); err != nil {
		t.Skip("needs skopeo")
	}
	s := newStore(t)
	top := messyLayer(t, s)
	middle, err := s.Layer(top.Parent)
	check(t, err)
	bottom, err := s.Layer(middle.Parent)
	check(t, err)
	img, err := s.CreateImage(ctx, ImageSpec{Config: config("x"), Layers: []*Layer{bottom, middle, top}, Names: []string{"app"}})
	check(t, err)
	file := filepath.Join(t.TempDir(), "app.tar")
	from := fmt.Sprintf("containers-storage:[overlay@%s+%s/storage:overlay.skip_mount_home=true]docker.io/library/app:latest", s.dir, s.options.Run)
	cmd := exec.Command("unshare", "--mount", "skopeo", "--insecure-policy", "--tmpdir", t.TempDir(), "copy", from, "docker-archive:"+file+":app:theirs")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("skopeo: %s", out)
	}
	o := newStore(t)
	archive, err := os.ReadFile(file)
	check(t, err)
	loadAll(t, o, archive)
	got, err := o.Image(ctx, "app:theirs")
	check(t, err)
	if !slices.Equal(got.DiffIDs, img.DiffIDs) {
		t.Errorf("diff ids %v, want %v", got.DiffIDs, img.DiffIDs)
	}
}

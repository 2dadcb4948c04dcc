package layertar

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func check(t testing.TB, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// entries reads a tar: "typeflag mode name link size mtime".
func entries(t testing.TB, dir string, lower ...string) []string {
	t.Helper()
	var b bytes.Buffer
	check(t, Write(context.Background(), &b, dir, lower))
	var out []string
	for tr := tar.NewReader(&b); ; {
		h, err := tr.Next()
		if err == io.EOF {
			return out
		}
		check(t, err)
		out = append(out, strings.TrimSpace(fmt.Sprintf("%c %o %s %s", h.Typeflag, h.Mode, h.Name, h.Linkname)))
	}
}

func TestWriteOfNothing(t *testing.T) {
	if err := Write(context.Background(), io.Discard, filepath.Join(t.TempDir(), "missing"), nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
	if got := entries(t, t.TempDir()); got != nil {
		t.Errorf("empty: %v", got)
	}
}

func TestWriteStopsWhenItsContextEnds(t *testing.T) {
	dir := t.TempDir()
	check(t, os.WriteFile(filepath.Join(dir, "f"), nil, 0o644))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := Write(ctx, io.Discard, dir, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestWrite(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	check(t,
		os.Mkdir(at("d"), 0o755), os.WriteFile(at("d/z"), []byte("content"), 0o600), os.Link(at("d/z"), at("linked")),
		os.Symlink("d/z", at("s")), unix.Mkfifo(at("p"), 0o644), os.Chmod(at("d/z"), 0o600|os.ModeSetuid),
		os.Chtimes(at("d/z"), time.Unix(5, 0), time.Unix(1000, 999_999_999)),
	)
	want := []string{"5 755 d/", "0 4600 d/z", "1 4600 linked d/z", "6 644 p", "2 777 s d/z"}
	if got := entries(t, dir); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	digest := func(known map[string][]byte) (string, int64) {
		f, err := os.Open(dir)
		check(t, err)
		defer f.Close()
		d, size, err := Source{Dir: f, Known: known}.Digest(context.Background(), nil)
		check(t, err)
		return d, size
	}
	a, size := digest(nil)
	var b bytes.Buffer
	check(t, Write(context.Background(), &b, dir, nil))
	if size != int64(b.Len()) || !strings.HasPrefix(a, "sha256:") {
		t.Errorf("digest %s of %d bytes, want %d", a, size, b.Len())
	}
	check(t, os.Chtimes(at("d/z"), time.Unix(5, 0), time.Unix(1000, 0))) // a tar has whole seconds
	if b, _ := digest(nil); a != b {
		t.Errorf("digest %s, want %s", b, a)
	}
	if b, _ := digest(map[string][]byte{"d/z": []byte("content"), "gone": nil}); a != b {
		t.Errorf("digest of known content %s, want %s", b, a)
	}
	if b, _ := digest(map[string][]byte{"d/z": []byte("too long for it")}); a != b {
		t.Errorf("digest of a file that is not as it was said %s, want %s", b, a)
	}
}

func TestWriteOfWhatWasDeleted(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root for whiteouts")
	}
	upper, middle, bottom := t.TempDir(), t.TempDir(), t.TempDir()
	whiteout := func(path string) error { return unix.Mknod(path, unix.S_IFCHR, 0) }
	opaque := func(path string) error {
		err := unix.Lsetxattr(path, "trusted.overlay.opaque", []byte("y"), 0)
		if err != nil {
			err = unix.Lsetxattr(path, "user.overlay.opaque", []byte("y"), 0)
		}
		return err
	}
	check(t, whiteout(filepath.Join(upper, "gone")), whiteout(filepath.Join(middle, "was")))
	for _, d := range []string{"new", "below", "was"} {
		check(t, os.Mkdir(filepath.Join(upper, d), 0o750), opaque(filepath.Join(upper, d)))
	}
	check(t, os.Mkdir(filepath.Join(bottom, "below"), 0o755), os.Mkdir(filepath.Join(bottom, "was"), 0o755))
	want := []string{"5 750 below/", "0 750 below/.wh..wh..opq", "0 0 .wh.gone", "5 750 new/", "5 750 was/"}
	if got := entries(t, upper, middle, bottom); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	want = []string{"5 750 below/", "0 0 .wh.gone", "5 750 new/", "5 750 was/"}
	if got := entries(t, upper); !slices.Equal(got, want) {
		t.Errorf("without lower directories: got %q, want %q", got, want)
	}
}

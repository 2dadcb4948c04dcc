package build

import (
	"archive/tar"
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// What a COPY has in memory is not read again for the layer's digest: world checks each against the files.
func TestDigestOfWhatReplacedAnother(t *testing.T) {
	w := newWorld(t)
	large := strings.Repeat("large", 20_000)
	w.file("a/f", "small")
	w.file("a/g", large)
	w.file("b/f", large)
	w.file("b/g", "small")
	w.file("c/f", "small too")
	if err := unix.Setxattr(filepath.Join(w.ctx, "c/f"), "user.note", []byte("x"), 0); err != nil {
		t.Log("no attributes here:", err)
	}
	must(t, os.Link(filepath.Join(w.ctx, "c/f"), filepath.Join(w.ctx, "c/linked")))
	must(t, os.Chmod(filepath.Join(w.ctx, "b/g"), 0o640|os.ModeSetuid))
	w.must("FROM scratch\nCOPY a b /x/\n")
	w.must("FROM scratch\nCOPY b a /x/\n")
	w.must("FROM scratch\nCOPY a b c /x/\n")
	w.must("FROM scratch\nCOPY --chmod=600 a/f b/g /x/\nCOPY c /x/\n")
}

func TestDigestOfAnArchiveOverFiles(t *testing.T) {
	w := newWorld(t)
	w.file("a/f", "small")
	var b bytes.Buffer
	archive := tar.NewWriter(&b)
	must(t, archive.WriteHeader(&tar.Header{Name: "f", Mode: 0o644, Size: 5, Typeflag: tar.TypeReg}))
	_, err := archive.Write([]byte("other"))
	must(t, err)
	must(t, archive.Close())
	w.file("x.tar", b.String())
	img := w.must("FROM scratch\nADD a x.tar /x/\n")
	if got := w.files(img); got != "x/f=other" {
		t.Error(got)
	}
}

// A mode is what it is whatever the umask and the directory's access control list say.
func TestModesOfCopies(t *testing.T) {
	w := newWorld(t)
	w.file("f", "x")
	for _, mode := range []os.FileMode{0o644, 0o666, 0o777, 0o400, 0o755 | os.ModeSetuid, 0o2 | os.ModeSticky} {
		must(t, os.Chmod(filepath.Join(w.ctx, "f"), mode))
		img := w.must("FROM scratch\nCOPY f /\n")
		st, err := os.Stat(filepath.Join(img.Layers[0], "f"))
		must(t, err)
		if st.Mode() != mode {
			t.Errorf("got %v, want %v", st.Mode(), mode)
		}
	}
}

package carry

import (
	"archive/tar"
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"codeberg.org/hoy/hoy/oci/inroot"
)

func openDir(t *testing.T, dir string) int {
	t.Helper()
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}

func archive(t *testing.T, headers ...*tar.Header) *bytes.Buffer {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range headers {
		h.Uid, h.Gid = os.Getuid(), os.Getgid()
		if h.Mode == 0 {
			h.Mode = 0o644
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		w.Write(bytes.Repeat([]byte("x"), int(h.Size)))
	}
	w.Close()
	return &b
}

// TestUnpackStaysInside unpacks archives that would lead out of the directory, were their names and links taken as they are.
func TestUnpackStaysInside(t *testing.T) {
	for name, headers := range map[string][]*tar.Header{
		"dots":     {{Name: "../../out", Typeflag: tar.TypeReg, Size: 3}},
		"absolute": {{Name: "/out", Typeflag: tar.TypeReg, Size: 3}},
		"absolute link": {
			{Name: "l", Typeflag: tar.TypeSymlink, Linkname: "OUTSIDE"}, {Name: "l/out", Typeflag: tar.TypeReg, Size: 3},
		},
		"relative link": {
			{Name: "l", Typeflag: tar.TypeSymlink, Linkname: "../.."}, {Name: "l/out", Typeflag: tar.TypeReg, Size: 3},
		},
		"hard link": {{Name: "out", Typeflag: tar.TypeLink, Linkname: "OUTSIDE/secret"}},
		"hard link by a link": {
			{Name: "l", Typeflag: tar.TypeSymlink, Linkname: "OUTSIDE"}, {Name: "out", Typeflag: tar.TypeLink, Linkname: "l/secret"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			outside := t.TempDir()
			if err := os.WriteFile(filepath.Join(outside, "secret"), []byte("secret"), 0o600); err != nil {
				t.Fatal(err)
			}
			dir := filepath.Join(outside, "a", "b")
			if err := os.MkdirAll(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			for _, h := range headers {
				h.Linkname = strings.ReplaceAll(h.Linkname, "OUTSIDE", outside)
			}
			err := Unpack(context.Background(), archive(t, headers...), inroot.Root(openDir(t, dir)), "/", UnpackOptions{})
			var st unix.Stat_t
			if unix.Stat(filepath.Join(outside, "out"), &st) == nil {
				t.Errorf("a file was written outside")
			}
			if data, readErr := os.ReadFile(filepath.Join(dir, "out")); readErr == nil && string(data) == "secret" {
				t.Errorf("a file of the outside was linked to (%v)", err)
			}
		})
	}
}

// TestPackUnpack copies a tree with all kinds of files.
func TestPackUnpack(t *testing.T) {
	from, to := t.TempDir(), t.TempDir()
	for _, err := range []error{
		os.Mkdir(filepath.Join(from, "d"), 0o750),
		os.WriteFile(filepath.Join(from, "d/f"), []byte("hello"), 0o640),
		os.Link(filepath.Join(from, "d/f"), filepath.Join(from, "d/same")),
		os.Symlink("/nowhere", filepath.Join(from, "d/l")),
		unix.Mkfifo(filepath.Join(from, "d/pipe"), 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	var b bytes.Buffer
	if err := Pack(context.Background(), &b, Source{Dir: openDir(t, from), Base: "d", Name: "copy"}); err != nil {
		t.Fatal(err)
	}
	if err := Unpack(context.Background(), &b, inroot.Root(openDir(t, to)), "/", UnpackOptions{}); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(to, "copy/same"))
	if err != nil || string(data) != "hello" {
		t.Errorf("content %q, %v", data, err)
	}
	var f, same, d unix.Stat_t
	unix.Lstat(filepath.Join(to, "copy/f"), &f)
	unix.Lstat(filepath.Join(to, "copy/same"), &same)
	unix.Lstat(filepath.Join(to, "copy"), &d)
	if f.Ino != same.Ino || f.Mode != unix.S_IFREG|0o640 || d.Mode != unix.S_IFDIR|0o750 {
		t.Errorf("links %d %d, modes %o %o", f.Ino, same.Ino, f.Mode, d.Mode)
	}
	if to, err := os.Readlink(filepath.Join(to, "copy/l")); to != "/nowhere" {
		t.Errorf("link %q, %v", to, err)
	}
}

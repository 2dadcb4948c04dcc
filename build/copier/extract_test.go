package copier

import (
	"archive/tar"
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"codeberg.org/hoy/hoy/build/rootfs"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// archive makes a tar of headers; a regular file holds its own name.
func archive(t *testing.T, headers ...tar.Header) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, h := range headers {
		if h.Mode == 0 && h.Typeflag != tar.TypeXGlobalHeader {
			h.Mode = 0o755
		}
		if h.Typeflag == tar.TypeReg {
			h.Size = int64(len(h.Name))
		}
		must(t, w.WriteHeader(&h))
		if h.Typeflag == tar.TypeReg {
			_, err := io.WriteString(w, h.Name)
			must(t, err)
		}
	}
	must(t, w.Close())
	return buf.Bytes()
}

func file(name string) tar.Header { return tar.Header{Typeflag: tar.TypeReg, Name: name} }
func dir(name string) tar.Header  { return tar.Header{Typeflag: tar.TypeDir, Name: name} }
func link(name, to string) tar.Header {
	return tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: to}
}
func hard(name, to string) tar.Header {
	return tar.Header{Typeflag: tar.TypeLink, Name: name, Linkname: to}
}

func extract(t *testing.T, lower []string, dest string, data []byte) (string, error) {
	t.Helper()
	upper := t.TempDir()
	w, err := rootfs.NewWriter(upper, lower, rootfs.Options{UserXattr: true})
	must(t, err)
	defer w.Close()
	err = Extract(context.Background(), w, dest, bytes.NewReader(data), ExtractOptions{Owner: &Owner{}})
	return upper, err
}

func TestExtract(t *testing.T) {
	lower := tree(t, t.TempDir(), "usr/lib/old=old", "lib->usr/lib", "app/d/old=old", "app/esc->/usr")
	for _, c := range []struct {
		name, dest string
		headers    []tar.Header
		want       string
	}{
		{"plain", "/x", []tar.Header{dir("d/"), file("d/f"), link("l", "d/f"), hard("h", "d/f")}, "x/d/f=d/f x/h=d/f x/l->d/f"},
		{"no directory entries", "/x/", []tar.Header{file("a/b/c")}, "x/a/b/c=a/b/c"},
		{"over a link of the root's", "/", []tar.Header{file("lib/new")}, "usr/lib/new=lib/new"},
		{"the destination is the archive's root", "/app", []tar.Header{file("esc/new")}, "app/usr/new=esc/new"},
		{"a file for a directory", "/app", []tar.Header{file("d")}, "app/d=d"},
		{"a directory merges", "/app", []tar.Header{dir("d"), file("d/new")}, "app/d/new=d/new"},
		{"a directory for a link", "/", []tar.Header{dir("lib"), file("lib/f")}, "lib/f"},
		{"a file twice", "/", []tar.Header{file("f"), file("f")}, "f"},
		{"a link to a file below", "/", []tar.Header{hard("app/h", "usr/lib/old")}, "app/h=old usr/lib/old=old"},
		{"absolute names", "/x", []tar.Header{file("/etc/f")}, "x/etc/f=/etc/f"},
		{"the root itself", "/x", []tar.Header{dir("./"), file("./f")}, "x/f=./f"},
		{"global header", "/x", []tar.Header{{Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{"comment": "x"}}, file("f")}, "x/f=f"},
	} {
		upper, err := extract(t, []string{lower}, c.dest, archive(t, c.headers...))
		got := list(t, upper)
		if err != nil {
			got = "error: " + err.Error()
		}
		if got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

// The break-outs that containerd's TestBreakouts, umoci and moby's archive tests know: each stays inside or is refused.
func TestExtractStaysInside(t *testing.T) {
	for _, c := range []struct {
		name    string
		headers []tar.Header
	}{
		{"dots", []tar.Header{file("../canary/f"), file("a/../../canary/f"), file("../../../../../../CANARY/f")}},
		{"absolute", []tar.Header{file("CANARY/f")}},
		{"absolute link", []tar.Header{link("l", "CANARY"), file("l/f")}},
		{"absolute link, then a directory", []tar.Header{link("l", "CANARY"), dir("l/d"), file("l/d/f")}},
		{"relative link", []tar.Header{link("l", "../canary"), file("l/f")}},
		{"link up and out", []tar.Header{dir("d"), link("d/l", "../.."), file("d/l/canary/f")}},
		{"two links", []tar.Header{link("a", "b"), link("b", "CANARY"), file("a/f")}},
		{"link to itself", []tar.Header{link("l", "l"), file("l/f")}},
		{"link to the root", []tar.Header{link("l", "/"), file("l/CANARY/f")}},
		{"hard link out", []tar.Header{hard("h", "CANARY/marker"), file("h")}},
		{"hard link up and out", []tar.Header{hard("h", "../canary/marker"), file("h")}},
		{"hard link through a link", []tar.Header{link("l", "CANARY"), hard("h", "l/marker"), file("h")}},
		{"hard link to a link out", []tar.Header{link("l", "CANARY/marker"), hard("h", "l"), file("h")}},
		{"file through a link", []tar.Header{link("marker", "CANARY/marker"), file("marker")}},
		{"mode through a link", []tar.Header{link("l", "CANARY"), {Typeflag: tar.TypeDir, Name: "l", Mode: 0o777}}},
		{"mode through a hard link to a link", []tar.Header{link("l", "CANARY/marker"), {Typeflag: tar.TypeLink, Name: "h", Linkname: "l", Mode: 0o7777}}},
		{"directory replaced by a link", []tar.Header{dir("d"), file("d/a"), link("d", "CANARY"), file("d/f")}},
		{"directory with a time replaced by a link", []tar.Header{dir("d/e"), link("d", "CANARY"), file("x")}},
		{"an overlay attribute", []tar.Header{{Typeflag: tar.TypeDir, Name: "d", PAXRecords: map[string]string{
			"SCHILY.xattr.trusted.overlay.redirect": "/CANARY", "SCHILY.xattr.user.overlay.redirect": "/CANARY"}}}},
		{"a whiteout", []tar.Header{{Typeflag: tar.TypeChar, Name: "w"}}},
		{"empty name", []tar.Header{file(""), link("", "CANARY")}},
		{"link without a target", []tar.Header{hard("h", "")}},
	} {
		base := t.TempDir()
		canary := filepath.Join(base, "canary")
		must(t, os.Mkdir(canary, 0o700))
		must(t, os.WriteFile(filepath.Join(canary, "marker"), []byte("untouched"), 0o600))
		for i := range c.headers {
			h := &c.headers[i]
			h.Name = strings.ReplaceAll(h.Name, "CANARY", strings.TrimPrefix(canary, "/"))
			h.Linkname = strings.ReplaceAll(h.Linkname, "CANARY", canary)
		}
		upper := filepath.Join(base, "upper")
		must(t, os.Mkdir(upper, 0o755))
		w, err := rootfs.NewWriter(upper, nil, rootfs.Options{UserXattr: true})
		must(t, err)
		_ = Extract(context.Background(), w, "/", bytes.NewReader(archive(t, c.headers...)), ExtractOptions{Owner: &Owner{}})
		w.Close()
		if got := list(t, canary); got != "marker=untouched" {
			t.Errorf("%s: the canary holds %q", c.name, got)
		}
		fi, err := os.Stat(filepath.Join(canary, "marker"))
		must(t, err)
		if fi.Mode().Perm() != 0o600 {
			t.Errorf("%s: the canary has mode %v", c.name, fi.Mode())
		}
		if fi, _ := os.Stat(canary); fi.Mode().Perm() != 0o700 {
			t.Errorf("%s: the canary's directory has mode %v", c.name, fi.Mode())
		}
	}
}

func TestDevicesAreLeftOutOfAUserNamespace(t *testing.T) {
	upper := t.TempDir()
	w, err := rootfs.NewWriter(upper, nil, rootfs.Options{UserXattr: true})
	must(t, err)
	defer w.Close()
	data := archive(t, tar.Header{Typeflag: tar.TypeChar, Name: "dev/null", Devmajor: 1, Devminor: 3}, file("f"), tar.Header{Typeflag: tar.TypeFifo, Name: "fifo"})
	must(t, Extract(context.Background(), w, "/", bytes.NewReader(data), ExtractOptions{Owner: &Owner{}, NoDevices: true}))
	names, err := os.ReadDir(upper)
	must(t, err)
	if len(names) != 2 || names[0].Name() != "f" || names[1].Name() != "fifo" {
		t.Errorf("got %v", names)
	}
}

func TestExtractCompressed(t *testing.T) {
	plain := archive(t, file("f"))
	with := func(open func(io.Writer) (io.WriteCloser, error)) []byte {
		var buf bytes.Buffer
		w, err := open(&buf)
		must(t, err)
		_, err = w.Write(plain)
		must(t, err)
		must(t, w.Close())
		return buf.Bytes()
	}
	bz, err := exec.Command("sh", "-c", "command -v bzip2").Output()
	must(t, ignore(err))
	cases := map[string][]byte{
		"tar":  plain,
		"gzip": with(func(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriter(w), nil }),
		"zstd": with(func(w io.Writer) (io.WriteCloser, error) { return zstd.NewWriter(w) }),
		"xz":   with(func(w io.Writer) (io.WriteCloser, error) { return xz.NewWriter(w) }),
	}
	if len(bz) > 0 {
		cmd := exec.Command("bzip2")
		cmd.Stdin = bytes.NewReader(plain)
		cases["bzip2"], err = cmd.Output()
		must(t, err)
	}
	for name, data := range cases {
		upper, err := extract(t, nil, "/", data)
		if got := list(t, upper); got != "f" || err != nil {
			t.Errorf("%s: %q %v", name, got, err)
		}
	}
	for name, data := range map[string][]byte{"torn": plain[:512], "torn gzip": cases["gzip"][:40]} {
		if _, err := extract(t, nil, "/", data); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func ignore(error) error { return nil }

func TestIsArchive(t *testing.T) {
	src := t.TempDir()
	must(t, os.WriteFile(filepath.Join(src, "a.tar"), archive(t, file("f")), 0o644))
	tree(t, src, "a.tar.gz=not one", "empty=", "d/")
	from, err := rootfs.OpenDir(src)
	must(t, err)
	defer from.Close()
	for p, want := range map[string]bool{"a.tar": true, "a.tar.gz": false, "empty": false, "d": false} {
		sel, err := Select(from, Request{Path: p})
		must(t, err)
		got, err := sel[0].IsArchive()
		if got != want || err != nil {
			t.Errorf("%s: %v %v", p, got, err)
		}
	}
}

func FuzzExtract(f *testing.F) {
	f.Add([]byte("\x1f\x8b\x08"))
	f.Fuzz(func(t *testing.T, data []byte) {
		base := t.TempDir()
		upper := filepath.Join(base, "upper")
		must(t, os.Mkdir(upper, 0o755))
		w, err := rootfs.NewWriter(upper, nil, rootfs.Options{UserXattr: true})
		must(t, err)
		defer w.Close()
		_ = Extract(context.Background(), w, "/", bytes.NewReader(data), ExtractOptions{Owner: &Owner{}, Plain: true})
		if left, _ := os.ReadDir(base); len(left) != 1 {
			t.Fatalf("outside: %v", left)
		}
	})
}

package build

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"codeberg.org/hoy/hoy/storage"
	"github.com/klauspost/compress/gzip"
)

// tarOf makes a tar of names and contents; a content "->x" is a link to x.
func tarOf(t *testing.T, files ...[2]string) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, f := range files {
		h := &tar.Header{Name: f[0], Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(f[1])), Uid: 4242, Gid: 4242}
		if to, ok := strings.CutPrefix(f[1], "->"); ok {
			h.Typeflag, h.Linkname, h.Size = tar.TypeSymlink, to, 0
		}
		must(t, w.WriteHeader(h))
		if h.Typeflag == tar.TypeReg {
			_, err := io.WriteString(w, f[1])
			must(t, err)
		}
	}
	must(t, w.Close())
	return buf.Bytes()
}

func stdin(data []byte, change ...func(*Options)) func(*Options) {
	return func(o *Options) {
		o.Context, o.Stdin = "-", bytes.NewReader(data)
		for _, f := range change {
			f(o)
		}
	}
}

func TestContextFromStdin(t *testing.T) {
	w := newWorld(t)
	data := tarOf(t, [2]string{"Dockerfile", "FROM scratch\nCOPY . /c/\n"}, [2]string{"d/f", "x"}, [2]string{".dockerignore", "no\nDockerfile\n.dockerignore\n"}, [2]string{"no", "n"})
	if got := w.files(w.must("", stdin(data))); got != "c/d/f=x" {
		t.Errorf("tar: %s", got)
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	z.Write(data)
	must(t, z.Close())
	if got := w.files(w.must("", stdin(packed.Bytes()))); got != "c/d/f=x" || w.cached() != 1 {
		t.Errorf("tar.gz: %s, %d cached", got, w.cached())
	}
	other := tarOf(t, [2]string{"sub/Other", "FROM scratch\nCOPY f /g\n"}, [2]string{"f", "x"}, [2]string{"sub/Other.dockerignore", "nothing\n"})
	if got := w.files(w.must("", stdin(other, func(o *Options) { o.Dockerfile = "sub/Other" }))); got != "g=x" {
		t.Errorf("-f: %s", got)
	}
	if got := w.files(w.must("", stdin([]byte("FROM scratch\nCOPY <<E /x\nhello\nE\n")))); got != "x=hello\n" {
		t.Errorf("a Dockerfile alone: %s", got)
	}
	_, err := w.build("", stdin([]byte("FROM scratch\nCOPY f /\n")))
	if err == nil || err.Error() != "COPY f: there is no build context to take it from" {
		t.Errorf("got %v", err)
	}
	_, err = w.build("", stdin(tarOf(t, [2]string{"f", "x"})))
	if err == nil || err.Error() != "failed to read dockerfile: open Dockerfile: no such file or directory" {
		t.Errorf("got %v", err)
	}
}

// A context's Dockerfile, or anything on the way to it, may be a link (CVE-2026-44517).
func TestContextFromStdinStaysInside(t *testing.T) {
	w := newWorld(t)
	outside := filepath.Join(t.TempDir(), "Dockerfile")
	must(t, os.WriteFile(outside, []byte("FROM scratch\nLABEL outside=1\n"), 0o644))
	for _, files := range [][][2]string{
		{{"Dockerfile", "->" + outside}},
		{{"d", "->" + filepath.Dir(outside)}, {"Dockerfile", "->d/Dockerfile"}},
		{{"Dockerfile", "->../../../../../../../../../.." + outside}},
	} {
		if _, err := w.build("", stdin(tarOf(t, files...))); err == nil {
			t.Errorf("%v: read", files)
		}
	}
	img := w.must("", stdin(tarOf(t, [2]string{"Dockerfile", "FROM scratch\nCOPY l /l\nCOPY d /d\n"}, [2]string{"l", "->f"}, [2]string{"f", "inside"}, [2]string{"d/out", "->" + outside})))
	if got := w.files(img); got != "d/out->"+outside+" l=inside" {
		t.Errorf("files %s", got)
	}
}

func TestDockerfileNames(t *testing.T) {
	w := newWorld(t)
	must(t, os.WriteFile(filepath.Join(w.ctx, "dockerfile"), []byte("FROM scratch\nLABEL n=lower\n"), 0o644))
	img := w.must("FROM scratch\nLABEL n=upper\n")
	if img.Config.Config.Labels["n"] != "upper" {
		t.Error("dockerfile is read though there is a Dockerfile")
	}
	img, err := w.build("", func(o *Options) { must(t, os.Remove(filepath.Join(w.ctx, "Dockerfile"))) })
	if err != nil || img.Config.Config.Labels["n"] != "lower" {
		t.Errorf("dockerfile: %v", err)
	}
	elsewhere := filepath.Join(t.TempDir(), "My.Dockerfile")
	must(t, os.WriteFile(elsewhere, []byte("FROM scratch\nCOPY . /\n"), 0o644))
	must(t, os.WriteFile(elsewhere+".dockerignore", []byte("*\n!keep\n"), 0o644))
	w.file("keep", "k")
	w.file("drop", "d")
	w.file(".dockerignore", "keep\n")
	if got := w.files(w.must("", func(o *Options) { o.Dockerfile = elsewhere })); got != "keep=k" {
		t.Errorf("-f and its .dockerignore: %s", got)
	}
	img = w.must("", func(o *Options) { o.Dockerfile, o.Stdin = "-", strings.NewReader("FROM scratch\nCOPY drop /\n") })
	if got := w.files(img); got != "drop=d" {
		t.Errorf("-f -: %s", got)
	}
}

func TestIgnoredFilesOfAKnownContext(t *testing.T) {
	w := newWorld(t)
	w.file("a", "1")
	w.file(".dockerignore", "Dockerfile\n.dockerignore\n")
	if got := w.files(w.must("FROM scratch\nCOPY . /\n")); got != "a=1" {
		t.Error(got)
	}
	w.file("b", "1")
	if got := w.files(w.must("FROM scratch\nCOPY . /\n")); got != "a=1 b=1" {
		t.Error(got)
	}
	w.file(".dockerignore", "Dockerfile\n.dockerignore\nb\n")
	if got := w.files(w.must("FROM scratch\nCOPY . /\n")); got != "a=1" || w.cached() != 1 {
		t.Errorf("%s, %d cached", got, w.cached())
	}
}

func TestAddUnpacks(t *testing.T) {
	w := newWorld(t)
	must(t, os.WriteFile(filepath.Join(w.ctx, "a.tar"), tarOf(t, [2]string{"in/f", "x"}, [2]string{"l", "->in/f"}), 0o644))
	own := ""
	if !rootless() {
		own = "--chown=7:8 "
	} else {
		own = "--chown=0:0 " // the only id of the tests' user namespace
	}
	if got := w.files(w.must("FROM scratch\nADD " + own + "a.tar /d\n")); got != "d/in/f=x d/l->in/f" {
		t.Errorf("ADD: %s", got)
	}
	if got := w.files(w.must("FROM scratch\nADD --unpack=false a.tar /d/\n")); !strings.HasPrefix(got, "d/a.tar=") {
		t.Errorf("ADD --unpack=false: %s", got)
	}
	if got := w.files(w.must("FROM scratch\nCOPY a.tar /d/\n")); !strings.HasPrefix(got, "d/a.tar=") {
		t.Errorf("COPY: %s", got)
	}
}

// server serves a file and counts what it is asked.
type server struct {
	*httptest.Server
	mu       sync.Mutex
	body     string
	asked    int
	answered int // with the body
}

func serve(t *testing.T, body string) *server {
	s := &server{body: body}
	s.Server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.asked++
		tag := fmt.Sprintf(`"%x"`, sha256.Sum256([]byte(s.body)))
		rw.Header().Set("ETag", tag)
		rw.Header().Set("Last-Modified", "Sat, 03 Feb 2001 04:05:06 GMT")
		switch {
		case r.URL.Path == "/gone":
			http.NotFound(rw, r)
		case r.Header.Get("If-None-Match") == tag:
			rw.WriteHeader(http.StatusNotModified)
		default:
			s.answered++
			io.WriteString(rw, s.body)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

func TestAddURL(t *testing.T) {
	w := newWorld(t)
	s := serve(t, "hello")
	df := "FROM scratch\nADD " + s.URL + "/dir/name.txt?x=1 /d/\n"
	img := w.must(df)
	if got := w.files(img); got != "d/name.txt=hello" {
		t.Fatalf("files %s", got)
	}
	fi, err := os.Stat(filepath.Join(img.Layers[0], "d/name.txt"))
	must(t, err)
	if fi.Mode().Perm() != 0o600 || fi.ModTime().Unix() != 981173106 {
		t.Errorf("mode %v, time %v", fi.Mode(), fi.ModTime())
	}
	if w.must(df); w.cached() != 1 || s.answered != 1 || s.asked != 2 {
		t.Errorf("again: %d cached, asked %d times, answered %d", w.cached(), s.asked, s.answered)
	}
	s.body = "changed"
	if got := w.files(w.must(df)); got != "d/name.txt=changed" {
		t.Errorf("changed: %s", got)
	}
	s.asked = 0
	right := fmt.Sprintf("sha256:%x", sha256.Sum256([]byte("changed")))
	if w.must("FROM scratch\nADD --checksum=" + right + " " + s.URL + "/dir/name.txt?x=1 /d/\n"); s.asked != 0 {
		t.Errorf("a known checksum: asked %d times", s.asked)
	}
	for _, c := range []struct{ add, want string }{
		{"--checksum=sha256:" + strings.Repeat("0", 64) + " " + s.URL + "/x", "fetch " + s.URL + "/x: digest mismatch " + right + ": sha256:" + strings.Repeat("0", 64)},
		{"--checksum=md5:00 " + s.URL + "/x", `invalid checksum "md5:00": sha256:<64 hexadecimal digits> is expected`},
		{s.URL + "/gone", "fetch " + s.URL + "/gone: the server answered 404 Not Found"},
	} {
		_, err := w.build("FROM scratch\nADD " + c.add + " /d\n")
		if err == nil || err.Error() != c.want {
			t.Errorf("ADD %s: got %v, want %q", c.add, err, c.want)
		}
	}
}

// Two builds at once, as two calls of hoy are: what both need is made by one of them.
func TestOneBuilderForAKey(t *testing.T) {
	w := newWorld(t)
	df := "FROM scratch\nRUN write /x 1\nRUN write /y 2\n"
	w.file("Dockerfile", df)
	var wg sync.WaitGroup
	outs := make([]bytes.Buffer, 4)
	for i := range outs {
		wg.Go(func() {
			store, err := storage.Open(storage.Options{Root: w.root, Run: filepath.Join(w.root, "run"), Rootless: rootless(), NoSync: true})
			if err != nil {
				t.Error(err)
				return
			}
			defer store.Close()
			_, err = Build(context.Background(), Options{
				Store: store, Runner: w.runner, Root: w.root, Rootless: rootless(), Context: w.ctx,
				Stderr: &outs[i], Tags: []string{fmt.Sprintf("t%d", i)}, Progress: "plain",
			})
			if err != nil {
				t.Errorf("%v\n%s", err, outs[i].String())
			}
		})
	}
	wg.Wait()
	if n := len(w.runner.runs); n != 2 {
		t.Errorf("%d runs", n)
	}
	w.checkNothingLeft()
}

func TestImageIDFileAndQuiet(t *testing.T) {
	w := newWorld(t)
	file := filepath.Join(t.TempDir(), "iid")
	img := w.must("FROM scratch\nLABEL a=b\n", func(o *Options) { o.IIDFile, o.Progress = file, "quiet" })
	data, err := os.ReadFile(file)
	must(t, err)
	if string(data) != "sha256:"+img.ID || w.out.String() != "sha256:"+img.ID+"\n" {
		t.Errorf("file %q, output %q", data, w.out.String())
	}
}

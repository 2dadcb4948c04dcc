package storage

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// freePort gives an address on which nobody listens.
func freePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	defer l.Close()
	return l.Addr().String()
}

// registry runs Debian's docker-registry and gives its address and its directory.
func registry(t testing.TB) (address, dir string) {
	t.Helper()
	if _, err := exec.LookPath("docker-registry"); err != nil {
		t.Skip("needs docker-registry")
	}
	address, dir = freePort(t), t.TempDir()
	config := filepath.Join(dir, "config.yml")
	check(t, os.WriteFile(config, []byte("version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: "+dir+"/data\nhttp:\n  addr: "+address+"\n"), 0o644))
	cmd := exec.Command("docker-registry", "serve", config)
	cmd.Env = append(os.Environ(), "OTEL_TRACES_EXPORTER=none")
	check(t, cmd.Start())
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	for range 200 {
		if r, err := http.Get("http://" + address + "/v2/"); err == nil {
			r.Body.Close()
			return address, dir
		}
		time.Sleep(25 * time.Millisecond)
	}
	t.Fatal("docker-registry does not answer")
	return "", ""
}

// push puts an image of the store into a registry, by skopeo.
func push(t testing.TB, s *Store, ref, to string, flags ...string) {
	t.Helper()
	if _, err := exec.LookPath("skopeo"); err != nil {
		t.Skip("needs skopeo")
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "image.tar")
	check(t, os.WriteFile(file, saveAll(t, s, SaveOptions{}, ref), 0o644))
	args := append([]string{"--insecure-policy", "--tmpdir", dir, "copy", "--dest-tls-verify=false"}, flags...)
	auth := filepath.Join(dir, "auth.json") // not that of whoever uses skopeo on this machine
	check(t, os.WriteFile(auth, []byte("{}"), 0o600))
	cmd := exec.Command("skopeo", append(args, "docker-archive:"+file, "docker://"+to)...)
	cmd.Env = append(os.Environ(), "REGISTRY_AUTH_FILE="+auth)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("skopeo: %s", out)
	}
}

func TestPull(t *testing.T) {
	address, _ := registry(t)
	s := newStore(t)
	img := busybox(t, s, "box")
	ref := address + "/some/box:v1"
	push(t, s, "box", ref)

	o := newStore(t)
	var out bytes.Buffer
	got, err := o.Pull(ctx, ref, PullOptions{Progress: &out})
	check(t, err)
	if !slices.Equal(got.DiffIDs, img.DiffIDs) || !slices.Equal(got.Names, []string{ref}) {
		t.Errorf("pulled %+v", got)
	}
	if len(got.RepoDigests) != 1 || got.RepoDigests[0] != address+"/some/box@"+got.Digest {
		t.Errorf("repo digests %v", got.RepoDigests)
	}
	for _, line := range []string{
		"v1: Pulling from some/box\n", ": Pulling fs layer\n", ": Download complete\n", ": Pull complete\n",
		"Digest: " + got.Digest + "\n", "Status: Downloaded newer image for " + ref + "\n",
	} {
		if !strings.Contains(out.String(), line) {
			t.Errorf("no %q in %q", line, out.String())
		}
	}
	out.Reset()
	_, err = o.Pull(ctx, ref, PullOptions{Progress: &out})
	check(t, err)
	if !strings.Contains(out.String(), "Status: Image is up to date for "+ref+"\n") {
		t.Errorf("second time: %s", out.String())
	}
	byDigest, err := o.Pull(ctx, address+"/some/box@"+got.Digest, PullOptions{})
	check(t, err)
	if byDigest.ID != got.ID {
		t.Errorf("by digest: %s", byDigest.ID)
	}
	if names := leftovers(t, o); len(names) != 0 {
		t.Errorf("left: %v", names)
	}
}

// An image that was built here, pushed and pulled again is the same image: nothing is fetched.
func TestPullOfWhatWasBuiltHere(t *testing.T) {
	address, _ := registry(t)
	s := newStore(t)
	img := makeImage(t, s, files{"a": "1"}, "app")
	ref := address + "/app:1"
	push(t, s, "app", ref)
	got, err := s.Pull(ctx, ref, PullOptions{})
	check(t, err)
	if got.ID != img.ID || !slices.Equal(got.LayerIDs, img.LayerIDs) || !contains(got.Names, ref) {
		t.Errorf("got %+v, want %+v", got, img)
	}
}

func TestPullSharesLayers(t *testing.T) {
	address, _ := registry(t)
	s := newStore(t)
	base := busybox(t, s, "base")
	_, err := s.CreateImage(ctx, ImageSpec{
		Config: config("child"), Parent: base, Layers: []*Layer{layer(t, s, base.LayerIDs[0], files{"g": ""})}, Names: []string{"child"},
	})
	check(t, err)
	push(t, s, "base", address+"/base")
	push(t, s, "child", address+"/child")
	o := newStore(t)
	a, err := o.Pull(ctx, address+"/base", PullOptions{})
	check(t, err)
	var out bytes.Buffer
	b, err := o.Pull(ctx, address+"/child", PullOptions{Progress: &out})
	check(t, err)
	if b.LayerIDs[1] != a.LayerIDs[0] || !strings.Contains(out.String(), ": Already exists\n") {
		t.Errorf("layers %v and %v; %s", a.LayerIDs, b.LayerIDs, out.String())
	}
}

func TestPullErrors(t *testing.T) {
	address, _ := registry(t)
	s := newStore(t)
	img := makeImage(t, s, files{"a": "1"}, "app")
	push(t, s, "app", address+"/app:1")
	dead := freePort(t)
	for _, c := range []struct {
		name, ref string
		o         PullOptions
		is        error
		text      string
	}{
		{"no such repository", address + "/none", PullOptions{}, ErrNoImage, "no such image: " + address + "/none:latest: manifest unknown"},
		{"no such tag", address + "/app:2", PullOptions{}, ErrNoImage, "manifest unknown"},
		{"bad reference", "UPPER/case", PullOptions{}, ErrBadReference, "invalid reference format"},
		{"empty reference", "", PullOptions{}, ErrBadReference, "invalid reference format"},
		{"refused", dead + "/x:1", PullOptions{}, nil, "pull " + dead + "/x:1: " + dead + ": connect: connection refused"},
		{"unknown host", "no-such-host.invalid/x:1", PullOptions{}, nil, "pull no-such-host.invalid/x:1: unknown host no-such-host.invalid"},
		{"another platform", address + "/app:1", PullOptions{Platform: "linux/arm64"}, ErrNoImage, "no such image for platform linux/arm64: it is for linux/amd64"},
		{"bad platform", address + "/app:1", PullOptions{Platform: "a/b/c/d"}, nil, "invalid platform"},
	} {
		o := newStore(t)
		_, err := o.Pull(ctx, c.ref, c.o)
		if err == nil || c.is != nil && !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.text) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	verify := true
	if _, err := s.Pull(ctx, address+"/app:1", PullOptions{TLSVerify: &verify}); err == nil {
		t.Error("HTTP was accepted though TLS was asked for")
	}
	_ = img
}

// proxy stands between hoy and the registry and may do something else with a request: handle says whether it did.
func proxy(t testing.TB, address string, handle func(http.ResponseWriter, *http.Request) bool) string {
	t.Helper()
	target := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: address})
	target.ErrorLog = nil
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !handle(w, r) {
			target.ServeHTTP(w, r)
		}
	})}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	return l.Addr().String()
}

func isBlob(r *http.Request) bool {
	return r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/blobs/")
}

func TestPullRetriesWhatMayPass(t *testing.T) {
	address, _ := registry(t)
	s := newStore(t)
	makeImage(t, s, files{"a": strings.Repeat("x", 1000)}, "app")
	push(t, s, "app", address+"/app:1")
	var failures atomic.Int32
	flaky := proxy(t, address, func(w http.ResponseWriter, r *http.Request) bool {
		if !isBlob(r) || failures.Add(1) > 2 {
			return false
		}
		if failures.Load() == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return true
		}
		c, _, err := w.(http.Hijacker).Hijack()
		check(t, err)
		fmt.Fprint(c, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n") // and then no more
		c.Close()
		return true
	})
	o := newStore(t)
	var out bytes.Buffer
	if _, err := o.Pull(ctx, flaky+"/app:1", PullOptions{Progress: &out}); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	if failures.Load() < 3 {
		t.Errorf("%d blob requests", failures.Load())
	}
}

func TestPullOfACorruptBlobKeepsNothing(t *testing.T) {
	address, dir := registry(t)
	s := newStore(t)
	base := busybox(t, s, "base")
	_, err := s.CreateImage(ctx, ImageSpec{
		Config: config("child"), Parent: base, Layers: []*Layer{layer(t, s, base.LayerIDs[0], files{"g": "content"})}, Names: []string{"child"},
	})
	check(t, err)
	push(t, s, "child", address+"/child:1")
	// The smallest blob with gzip's magic number is the top layer.
	var victim string
	check(t, filepath.WalkDir(filepath.Join(dir, "data"), func(path string, d os.DirEntry, err error) error {
		if err != nil || d.Name() != "data" || d.IsDir() {
			return err
		}
		content := mustRead(t, path)
		if strings.HasPrefix(content, "\x1f\x8b") && (victim == "" || len(content) < len(mustRead(t, victim))) {
			victim = path
		}
		return nil
	}))
	content := []byte(mustRead(t, victim))
	content[len(content)/2] ^= 1
	check(t, os.WriteFile(victim, content, 0o644))
	o := newStore(t)
	_, err = o.Pull(ctx, address+"/child:1", PullOptions{})
	if !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), filepath.Base(filepath.Dir(victim))) {
		t.Errorf("got %v, want the digest %s named", err, filepath.Base(filepath.Dir(victim)))
	}
	noTrace(t, o)
}

func TestPullCancelledKeepsNothing(t *testing.T) {
	address, _ := registry(t)
	s := newStore(t)
	busybox(t, s, "box")
	push(t, s, "box", address+"/box:1")
	blobs := make(chan struct{}, 10)
	slow := proxy(t, address, func(w http.ResponseWriter, r *http.Request) bool {
		if !isBlob(r) {
			return false
		}
		blobs <- struct{}{}
		if len(blobs) < 2 { // the config comes
			return false
		}
		w.Header().Set("Content-Length", "1000000")
		io.WriteString(w, "\x1f\x8b")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		return true
	})
	o := newStore(t)
	ctx, cancel := contextAfter(t, func() bool { return len(blobs) >= 2 })
	defer cancel()
	if _, err := o.Pull(ctx, slow+"/box:1", PullOptions{}); !errors.Is(err, ctx.Err()) {
		t.Errorf("got %v", err)
	}
	noTrace(t, o)
}

// Sixteen pulls at once, of two images that share a layer, and nobody is disturbed.
func TestPullsAtOnce(t *testing.T) {
	address, _ := registry(t)
	s := newStore(t)
	base := busybox(t, s, "base")
	_, err := s.CreateImage(ctx, ImageSpec{
		Config: config("child"), Parent: base, Layers: []*Layer{layer(t, s, base.LayerIDs[0], files{"g": ""})}, Names: []string{"child"},
	})
	check(t, err)
	push(t, s, "base", address+"/base:1")
	push(t, s, "child", address+"/child:1")
	o := newStore(t)
	errs := make(chan error)
	for i := range 16 {
		p := another(t, o)
		go func() {
			_, err := p.Pull(ctx, address+[]string{"/base:1", "/child:1"}[i%2], PullOptions{})
			errs <- err
		}()
	}
	for range 16 {
		check(t, <-errs)
	}
	if names := leftovers(t, o); len(names) != 0 {
		t.Errorf("left: %v", names)
	}
}

package build

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"codeberg.org/hoy/hoy/build/rootfs"
	"codeberg.org/hoy/hoy/storage"
)

// TestMain starts the tests of an ordinary user again as root of a user namespace, where hoy's builds of one happen.
func TestMain(m *testing.M) {
	if storage.Reexec() {
		return
	}
	if os.Getuid() == 0 {
		os.Exit(m.Run())
	}
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), "_CONTAINERS_USERNS_CONFIGURED=done",
		fmt.Sprintf("_CONTAINERS_ROOTLESS_UID=%d", os.Getuid()), fmt.Sprintf("_CONTAINERS_ROOTLESS_GID=%d", os.Getgid()))
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	var exit *exec.ExitError
	err := cmd.Run()
	if errors.As(err, &exit) {
		os.Exit(exit.ExitCode())
	}
	if err != nil {
		panic(err)
	}
}

func rootless() bool { return os.Getenv("_CONTAINERS_ROOTLESS_UID") != "" }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// fakeRunner does what a RUN says without a container. The command is a list of words separated by ";":
//
//	write PATH TEXT   writes a file into the upper directory
//	fail N            ends with status N
//	say TEXT          writes a line
//	stub PATH         makes an empty file, as the engine does for something to mount on
//	stubdir PATH      makes an empty directory likewise
//	read PATH         fails unless the merged root has the file
//	wait              waits until the context ends
type fakeRunner struct {
	mu   sync.Mutex
	runs []RunSpec
	hook func(RunSpec) error
}

func (f *fakeRunner) Run(ctx context.Context, r RunSpec) error {
	f.mu.Lock()
	f.runs = append(f.runs, r)
	f.mu.Unlock()
	w, err := rootfs.NewWriter(r.Upper, r.Lower, rootfs.Options{UserXattr: rootless()})
	if err != nil {
		return err
	}
	defer w.Close()
	if f.hook != nil {
		if err := f.hook(r); err != nil {
			return err
		}
	}
	for _, part := range strings.Split(r.Config.Cmd[len(r.Config.Cmd)-1], ";") {
		if err := f.do(ctx, w, r, strings.Fields(part)); err != nil {
			return err
		}
	}
	return nil
}

func (f *fakeRunner) do(ctx context.Context, w *rootfs.Writer, r RunSpec, words []string) error {
	if len(words) == 0 {
		return nil
	}
	arg := strings.Join(words[1:], " ")
	switch words[0] {
	case "write":
		if _, err := w.MkdirAll(filepath.Dir(words[1]), rootfs.Meta{Mode: 0o755}); err != nil {
			return err
		}
		d, err := w.Lookup(filepath.Dir(words[1]))
		if err != nil {
			return err
		}
		fd, err := w.Dir(&d)
		if err != nil {
			return err
		}
		syscall.Close(fd)
		return os.WriteFile(filepath.Join(r.Upper, d.Path, filepath.Base(words[1])), []byte(strings.Join(words[2:], " ")), 0o644)
	case "stub", "stubdir":
		d, err := w.MkdirAll(filepath.Dir(arg), rootfs.Meta{Mode: 0o755})
		if err != nil {
			return err
		}
		fd, err := w.Dir(&d)
		if err != nil {
			return err
		}
		syscall.Close(fd)
		p := filepath.Join(r.Upper, d.Path, filepath.Base(arg))
		if words[0] == "stubdir" {
			return os.MkdirAll(p, 0o755)
		}
		return os.WriteFile(p, nil, 0o644)
	case "fail":
		var n int
		fmt.Sscan(words[1], &n)
		return &ExitError{Code: n}
	case "say":
		fmt.Fprintln(r.Stdout, arg)
	case "read":
		if _, err := w.Lookup(arg); err != nil {
			return err
		}
	case "wait":
		<-ctx.Done()
		return ctx.Err()
	}
	return nil
}

// world is a store, a context and a runner for one test.
type world struct {
	t      *testing.T
	root   string
	ctx    string
	store  *storage.Store
	runner *fakeRunner
	out    bytes.Buffer // of the last build
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, root: t.TempDir(), ctx: t.TempDir(), runner: &fakeRunner{}}
	var err error
	w.store, err = storage.Open(storage.Options{Root: w.root, Run: filepath.Join(w.root, "run"), Rootless: rootless(), NoSync: true})
	must(t, err)
	t.Cleanup(func() { w.store.Close() })
	return w
}

// file writes a file of the context.
func (w *world) file(path, text string) {
	w.t.Helper()
	p := filepath.Join(w.ctx, path)
	must(w.t, os.MkdirAll(filepath.Dir(p), 0o755))
	must(w.t, os.WriteFile(p, []byte(text), 0o644))
}

// build builds a Dockerfile of the context, tagged "x".
func (w *world) build(dockerfile string, change ...func(*Options)) (*storage.Image, error) {
	w.t.Helper()
	return w.buildContext(context.Background(), dockerfile, change...)
}

func (w *world) buildContext(ctx context.Context, dockerfile string, change ...func(*Options)) (*storage.Image, error) {
	w.t.Helper()
	w.file("Dockerfile", dockerfile)
	w.out.Reset()
	o := Options{
		Store: w.store, Runner: w.runner, Root: w.root, Rootless: rootless(), Context: w.ctx,
		Stdout: &w.out, Stderr: &w.out, Tags: []string{"x"}, Progress: "plain",
	}
	for _, f := range change {
		f(&o)
	}
	r, err := Build(ctx, o)
	if err != nil {
		w.checkNothingLeft()
		return nil, err
	}
	img, err := w.store.Image(context.Background(), strings.TrimPrefix(r.ImageID, "sha256:"))
	must(w.t, err)
	w.checkNothingLeft()
	return img, nil
}

// checkNothingLeft finds temporary files of builds that are over.
func (w *world) checkNothingLeft() {
	w.t.Helper()
	for _, dir := range []string{"tmp", "lock"} {
		left, _ := os.ReadDir(filepath.Join(w.root, "build/v1", dir))
		for _, e := range left {
			w.t.Errorf("left behind: %s/%s", dir, e.Name())
		}
	}
}

func (w *world) must(dockerfile string, change ...func(*Options)) *storage.Image {
	w.t.Helper()
	img, err := w.build(dockerfile, change...)
	if err != nil {
		w.t.Fatalf("%v\n%s", err, w.out.String())
	}
	return img
}

// files lists what an image's merged root holds: "path=content", "path->link", "path/" for an empty directory.
func (w *world) files(img *storage.Image) string {
	w.t.Helper()
	return w.list(img.Layers)
}

// layer lists what one layer of an image holds, by its place from the bottom.
func (w *world) layer(img *storage.Image, i int) string {
	w.t.Helper()
	return w.list(img.Layers[len(img.Layers)-1-i : len(img.Layers)-i])
}

func (w *world) list(dirs []string) string {
	w.t.Helper()
	tree, err := rootfs.Open(dirs, rootfs.Options{UserXattr: rootless()})
	must(w.t, err)
	defer tree.Close()
	var out []string
	var walk func(n *rootfs.Node)
	walk = func(n *rootfs.Node) {
		nodes, err := tree.ReadDir(n)
		must(w.t, err)
		if len(nodes) == 0 && n.Path != "" {
			out = append(out, n.Path+"/")
		}
		for i := range nodes {
			c := &nodes[i]
			switch {
			case c.IsDir():
				walk(c)
			case c.IsLink():
				out = append(out, c.Path+"->"+c.Link)
			default:
				data, err := os.ReadFile(tree.HostPath(c))
				must(w.t, err)
				out = append(out, c.Path+"="+string(data))
			}
		}
	}
	r, err := tree.Root()
	must(w.t, err)
	walk(&r)
	slices.Sort(out)
	return strings.Join(out, " ")
}

func (w *world) cached() int { return strings.Count(w.out.String(), " CACHED\n") }

func history(img *storage.Image) []string {
	var out []string
	for _, h := range img.Config.History {
		line := h.CreatedBy
		if h.EmptyLayer {
			line += " (empty)"
		}
		out = append(out, line)
	}
	return out
}

func TestBuildTwoStages(t *testing.T) {
	w := newWorld(t)
	w.file("src/a", "A")
	w.file("src/sub/b", "B")
	w.file("ignored", "no")
	w.file(".dockerignore", "ignored\nDockerfile\n")
	img := w.must(`FROM scratch AS one
COPY . /ctx/
RUN write /made/by-run hello world

FROM scratch
ENV GREETING=hi NAME="a b"
WORKDIR /app
COPY --from=one /ctx/src /made ./
USER 1000:1000
EXPOSE 80 53/udp
VOLUME /data
LABEL a=b
ENTRYPOINT ["/bin/app"]
CMD ["serve"]
STOPSIGNAL SIGTERM
`)
	if got := w.files(img); got != "app/a=A app/by-run=hello world app/sub/b=B" {
		t.Errorf("files: %s", got)
	}
	c := img.Config.Config
	if c.WorkingDir != "/app" || c.User != "1000:1000" || c.StopSignal != "SIGTERM" || !slices.Equal(c.Entrypoint, []string{"/bin/app"}) ||
		!slices.Equal(c.Cmd, []string{"serve"}) || c.Labels["a"] != "b" || len(c.ExposedPorts) != 2 || len(c.Volumes) != 1 ||
		!slices.Equal(c.Env, []string{"PATH=" + defaultPath, "GREETING=hi", "NAME=a b"}) {
		t.Errorf("config: %+v", c)
	}
	want := []string{
		"ENV GREETING=hi NAME=a b (empty)",
		"WORKDIR /app",
		"COPY /ctx/src /made ./ # buildkit",
		"USER 1000:1000 (empty)",
		"EXPOSE [53/udp 80/tcp] (empty)",
		"VOLUME [/data] (empty)",
		"LABEL a=b (empty)",
		`ENTRYPOINT ["/bin/app"] (empty)`,
		`CMD ["serve"] (empty)`,
		"STOPSIGNAL SIGTERM (empty)",
	}
	if got := history(img); !slices.Equal(got, want) {
		t.Errorf("history:\n%s", strings.Join(got, "\n"))
	}
	for _, h := range img.Config.History {
		if h.Comment != historyComment || h.Created == nil {
			t.Errorf("history line %+v", h)
		}
	}
	if len(img.DiffIDs) != 2 {
		t.Errorf("%d layers", len(img.DiffIDs))
	}
	if !slices.Contains(img.Names, "docker.io/library/x:latest") {
		t.Errorf("names %v", img.Names)
	}
}

func TestBuildOnAnImage(t *testing.T) {
	w := newWorld(t)
	w.must("FROM scratch\nCOPY Dockerfile /base/file\nENV A=base\nCMD [\"base\"]\nENTRYPOINT [\"e\"]\n", func(o *Options) { o.Tags = []string{"base:1"} })
	img := w.must("FROM base:1\nENV A=$A-more\nRUN write /new x; read /base/file\nENTRYPOINT [\"n\"]\n")
	if len(img.DiffIDs) != 2 || len(img.Config.History) != 7 {
		t.Errorf("%d layers, history %q", len(img.DiffIDs), history(img))
	}
	if img.Config.Config.Cmd != nil {
		t.Errorf("ENTRYPOINT keeps the base's CMD: %q", img.Config.Config.Cmd)
	}
	if env := img.Config.Config.Env; !slices.Contains(env, "A=base-more") {
		t.Errorf("env %q", env)
	}
	run := w.runner.runs[0]
	if !slices.Equal(run.Config.Cmd, []string{"/bin/sh", "-c", "write /new x; read /base/file"}) || run.Config.WorkingDir != "/" ||
		run.Config.Network != "host" || run.Config.Hostname != hostname {
		t.Errorf("RUN got %+v", run.Config)
	}
}

// numbers that differ from run to run.
var (
	seconds = regexp.MustCompile(`\d+\.\d+`)
	ids     = regexp.MustCompile(`[0-9a-f]{64}`)
)

func TestProgressIsBuildKits(t *testing.T) {
	w := newWorld(t)
	w.must("FROM scratch\nCOPY Dockerfile /f\n", func(o *Options) { o.Tags = []string{"base"} })
	w.must("FROM base\nRUN say hello; say you\nCOPY Dockerfile /\n", func(o *Options) { o.Tags = []string{"x", "reg.example/y:2"} })
	want := `#1 [internal] load build definition from Dockerfile
#1 transferring dockerfile: 51B done
#1 DONE Ns

#2 [internal] load metadata for docker.io/library/base:latest
#2 DONE Ns

#3 [1/3] FROM docker.io/library/base:latest
#3 CACHED

#4 [2/3] RUN say hello; say you
#4 N hello
#4 N you
#4 DONE Ns

#5 [3/3] COPY Dockerfile /
#5 DONE Ns

#6 exporting to image
#6 exporting layers
#6 exporting layers done
#6 writing image sha256:ID done
#6 naming to docker.io/library/x done
#6 naming to reg.example/y:2 done
#6 DONE Ns
`
	got := ids.ReplaceAllString(seconds.ReplaceAllString(w.out.String(), "N"), "ID")
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestCacheHitsAndMisses(t *testing.T) {
	w := newWorld(t)
	w.file("f", "1")
	w.file("g", "1")
	df := "FROM scratch\nWORKDIR /w\nCOPY f /f\nRUN write /r 1\nENV X=1\nCOPY g /g\nRUN write /s 1\n"
	first := w.must(df)
	runs := func() int { return len(w.runner.runs) }
	if runs() != 2 || w.cached() != 0 {
		t.Fatalf("first build: %d runs, %d cached", runs(), w.cached())
	}
	again := w.must(df)
	if runs() != 2 || w.cached() != 5 {
		t.Errorf("same again: %d runs, %d cached\n%s", runs(), w.cached(), w.out.String())
	}
	if again.ID != first.ID {
		t.Errorf("the same build gives another image: %s, then %s", first.ID, again.ID)
	}
	must(t, os.Chtimes(filepath.Join(w.ctx, "f"), first.Created, first.Created))
	if w.must(df); runs() != 2 || w.cached() != 5 {
		t.Errorf("another mtime: %d runs, %d cached", runs(), w.cached())
	}
	w.file("g", "2")
	if w.must(df); runs() != 3 || w.cached() != 3 {
		t.Errorf("another g: %d runs, %d cached", runs(), w.cached())
	}
	w.file("g", "1")
	if w.must(df); runs() != 3 || w.cached() != 5 {
		t.Errorf("the first g: %d runs, %d cached", runs(), w.cached())
	}
	if w.must(strings.Replace(df, "ENV X=1", "ENV X=2", 1)); runs() != 4 || w.cached() != 4 {
		t.Errorf("another ENV: %d runs, %d cached", runs(), w.cached())
	}
	if w.must(strings.Replace(df, "ENV X=1", "LABEL X=2", 1)); runs() != 5 || w.cached() != 4 {
		t.Errorf("no ENV: %d runs, %d cached", runs(), w.cached())
	}
	if w.must(df + "LABEL a=b\nCMD x\n"); runs() != 5 || w.cached() != 5 {
		t.Errorf("more metadata: %d runs, %d cached", runs(), w.cached())
	}
}

func TestNoCache(t *testing.T) {
	w := newWorld(t)
	df := "FROM scratch\nCOPY Dockerfile /a\nRUN write /r 1\nCOPY Dockerfile /b\n"
	w.must(df)
	img := w.must(df, func(o *Options) { o.NoCache = true })
	if len(w.runner.runs) != 2 || w.cached() != 1 {
		t.Errorf("%d runs, %d cached", len(w.runner.runs), w.cached())
	}
	// What lies on the RUN's first layer must not be taken for what lies on its second.
	if got := w.files(img); !strings.Contains(got, "r=1") || !strings.Contains(got, "b=FROM") {
		t.Errorf("files: %s", got)
	}
	if w.must(df); len(w.runner.runs) != 2 || w.cached() != 3 {
		t.Errorf("after it: %d runs, %d cached", len(w.runner.runs), w.cached())
	}
}

// A stage that was made again and gave the same files does not make what copies from it again.
func TestCopyFromIsByContent(t *testing.T) {
	w := newWorld(t)
	df := func(v string) string {
		return "FROM scratch AS b\nARG V=" + v + "\nRUN write /out same\nFROM scratch\nCOPY --from=b /out /out\nRUN write /x y\n"
	}
	w.must(df("1"))
	w.must(df("2"))
	if len(w.runner.runs) != 3 || w.cached() != 2 {
		t.Errorf("%d runs, %d cached\n%s", len(w.runner.runs), w.cached(), w.out.String())
	}
	w.must(df("2"))
	if len(w.runner.runs) != 3 || w.cached() != 3 {
		t.Errorf("again: %d runs, %d cached", len(w.runner.runs), w.cached())
	}
}

func TestMissingLayerIsAMiss(t *testing.T) {
	w := newWorld(t)
	df := "FROM scratch\nRUN write /r 1\n"
	img := w.must(df)
	_, err := w.store.Remove(context.Background(), img.ID, storage.RemoveOptions{Force: true})
	must(t, err)
	if w.must(df); len(w.runner.runs) != 2 {
		t.Errorf("%d runs", len(w.runner.runs))
	}
}

func TestOnlyWhatTheTargetNeeds(t *testing.T) {
	w := newWorld(t)
	df := `FROM scratch AS a
RUN write /a 1
FROM scratch AS unused
RUN fail 9
FROM a AS b
RUN write /b 1
FROM scratch AS last
COPY --from=b / /
`
	w.must(df)
	if len(w.runner.runs) != 2 {
		t.Errorf("%d runs", len(w.runner.runs))
	}
	img := w.must(df, func(o *Options) { o.Target = "A" })
	if got := w.files(img); got != "a=1" {
		t.Errorf("target a: %s", got)
	}
	_, err := w.build(df, func(o *Options) { o.Target = "lost" })
	if err == nil || err.Error() != `target stage "lost" could not be found (did you mean last?)` {
		t.Errorf("got %v", err)
	}
}

func TestStagesRunAtTheSameTime(t *testing.T) {
	w := newWorld(t)
	var both sync.WaitGroup
	both.Add(2)
	w.runner.hook = func(RunSpec) error { both.Done(); both.Wait(); return nil } // each waits for the other
	w.must("FROM scratch AS a\nRUN write /a 1\nFROM scratch AS b\nRUN write /b 1\nFROM scratch\nCOPY --from=a / /\nCOPY --from=b / /\n")
}

func TestFirstErrorCancelsTheRest(t *testing.T) {
	w := newWorld(t)
	var started sync.WaitGroup
	started.Add(1)
	w.runner.hook = func(r RunSpec) error {
		if strings.Contains(r.Config.Cmd[2], "wait") {
			started.Done()
		} else {
			started.Wait()
		}
		return nil
	}
	_, err := w.build("FROM scratch AS a\nRUN wait\nFROM scratch AS b\nRUN say why; fail 3\nFROM scratch\nCOPY --from=a / /\nCOPY --from=b / /\n")
	if err == nil || err.Error() != `process "/bin/sh -c say why; fail 3" did not complete successfully: exit code: 3` {
		t.Fatalf("got %v", err)
	}
	var exit *ExitError
	if !errors.As(err, &exit) || exit.Code != 3 {
		t.Errorf("the status is lost: %v", err)
	}
	out := seconds.ReplaceAllString(w.out.String(), "N")
	for _, want := range []string{
		"CANCELED\n",
		"------\n > [b 1/1] RUN say why; fail 3:\nN why\n------\n",
		"Dockerfile:4\n--------------------\n   2 |     RUN wait\n   3 |     FROM scratch AS b\n   4 | >>> RUN say why; fail 3\n   5 |     FROM scratch\n   6 |     COPY --from=a / /\n--------------------\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}

func TestInterrupt(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithCancel(context.Background())
	w.runner.hook = func(RunSpec) error { cancel(); return nil }
	_, err := w.buildContext(ctx, "FROM scratch\nCOPY Dockerfile /\nRUN wait\n")
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	imgs, err := w.store.Images(context.Background())
	must(t, err)
	if len(imgs) != 0 {
		t.Errorf("images: %v", imgs)
	}
}

func TestStubsDoNotLeak(t *testing.T) {
	w := newWorld(t)
	canary := filepath.Join(t.TempDir(), "canary")
	must(t, os.WriteFile(canary, nil, 0o600))
	w.file("etc/passwd", "root:x:0:0::/:\n")
	w.must("FROM scratch\nCOPY etc /etc/\n", func(o *Options) { o.Tags = []string{"base"} })
	img := w.must("FROM base\nRUN stub /etc/hosts; stub /etc/resolv.conf; stubdir /proc; stubdir /dev; stubdir /sys; write /x 1\n")
	if got := w.layer(img, 1); got != "x=1" {
		t.Errorf("the layer holds %s", got)
	}
	img = w.must("FROM base\nRUN --mount=type=tmpfs,target=/a/b/c stubdir /a/b/c; stubdir /proc; write /a/mine 1; write /etc/hosts text\n")
	if got := w.layer(img, 1); got != "a/mine=1 etc/hosts=text" {
		t.Errorf("the layer holds %s", got)
	}
	// The command replaces the parent of a mount's target by a link out: cleaning up must not follow it (CVE-2024-23652).
	w.runner.hook = func(r RunSpec) error {
		must(t, os.MkdirAll(filepath.Join(r.Upper, "m"), 0o755))
		must(t, os.RemoveAll(filepath.Join(r.Upper, "m")))
		return os.Symlink(filepath.Dir(canary), filepath.Join(r.Upper, "m"))
	}
	w.must("FROM base\nRUN --mount=type=tmpfs,target=/m/canary say x\n")
	if _, err := os.Lstat(canary); err != nil {
		t.Error(err)
	}
}

func TestErrors(t *testing.T) {
	w := newWorld(t)
	w.file("dir/f", "x")
	w.file(".dockerignore", "hidden\n")
	w.file("hidden", "x")
	source := "failed to compute cache key: failed to calculate checksum: "
	for _, c := range []struct{ name, dockerfile, want string }{
		{"empty", "\n", "the Dockerfile cannot be empty"},
		{"comments", "# nothing\n", "file with no instructions"},
		{"no stage", "ARG X\n", "dockerfile contains no stages to build"},
		{"before FROM", "RUN x\n", "no build stage in current context"},
		{"unknown instruction", "FROM scratch\nRUNN x\n", "dockerfile parse error on line 2: unknown instruction: RUNN (did you mean RUN?)"},
		{"unknown flag", "FROM scratch\nCOPY --form=x a b\n", "dockerfile parse error on line 2: unknown flag: --form (did you mean from?)"},
		{"one argument", "FROM scratch\nCOPY a\n", "dockerfile parse error on line 2: COPY requires at least two arguments, but only one was provided. Destination could not be determined"},
		{"no such image", "FROM 127.0.0.1:1/none\n", "127.0.0.1:1/none: "},
		{"bad image", "FROM In_Valid\n", "invalid reference format: \"In_Valid\""},
		{"blank image", "ARG B\nFROM $B\n", "base name ($B) should not be blank"},
		{"missing source", "FROM scratch\nCOPY nothing /\n", source + `"/nothing": not found`},
		{"ignored source", "FROM scratch\nCOPY hidden /\n", source + `"/hidden": not found`},
		{"missing source of a stage", "FROM scratch AS a\nFROM scratch\nCOPY --from=a /x /\n", source + `"/x": not found`},
		{"directory onto a file", "FROM scratch\nCOPY dir/f /f\nCOPY dir /f\n", "cannot copy to non-directory: /f"},
		{"itself", "FROM scratch AS a\nCOPY --from=a / /\n", "circular dependency detected on stage: a"},
		{"a later stage", "FROM scratch AS a\nCOPY --from=b / /\nFROM a\nFROM scratch AS b\nFROM a\n", `cannot copy from stage "b", it needs to be defined before current stage "a"`},
		{"stage number", "FROM scratch\nCOPY --from=7 / /\n", "invalid stage index 7"},
		{"variable in from", "ARG S=a\nFROM scratch AS a\nFROM scratch\nCOPY --from=$S / /\n", "variable expansion is not supported for --from, define a new stage with FROM using ARG from global scope as a workaround"},
		{"required variable", "FROM scratch\nENV X=\"${Y:?set Y}\"\n", `failed to process "\"${Y:?set Y}\"": Y: set Y`},
		{"unknown user", "FROM scratch\nCOPY --chown=web dir /\n", "find user web: no /etc/passwd"},
		{"chmod", "FROM scratch\nCOPY --chmod=99 dir /\n", "invalid chmod parameter: '99'. it should be octal string and between 0 and 07777"},
		{"chown and link", "FROM scratch\nCOPY --link --chown=web dir /\n", "--chown=web: user and group names can't be resolved when used with --link, use numeric uid[:gid] instead"},
		{"platform", "FROM --platform=linux/s390x scratch\n", "platform linux/s390x is not this machine's (linux/amd64): hoy builds for its own platform only"},
		{"git", "FROM scratch\nADD https://example.com/x.git /x\n", "ADD https://example.com/x.git: adding a git repository is not supported"},
		{"URL and COPY", "FROM scratch\nCOPY https://example.com/x /x\n", "source can't be a URL for COPY"},
		{"checksum of a file", "FROM scratch\nADD --checksum=sha256:00 dir /x\n", "checksum requires HTTP(S) or Git sources"},
		{"ssh", "FROM scratch\nRUN --mount=type=ssh x\n", "RUN --mount=type=ssh is not supported"},
		{"device", "FROM scratch\nRUN --device=v/c=n x\n", "RUN --device is not supported"},
		{"insecure", "FROM scratch\nRUN --security=insecure x\n", "RUN --security=insecure is not supported"},
		{"frontend", "# syntax=example/frontend:1\nFROM scratch\n", "frontend example/frontend:1 is not supported: only docker/dockerfile is built in"},
		{"secret", "FROM scratch\nRUN --mount=type=secret,id=s,required x\n", "secret s: not found"},
		{"mount on the root", "FROM scratch\nRUN --mount=type=tmpfs,target=/ x\n", `invalid mount target "/"`},
		{"signal", "FROM scratch\nSTOPSIGNAL SIGNOTHING\n", "invalid signal: SIGNOTHING"},
		{"port", "FROM scratch\nEXPOSE 99999\n", "invalid containerPort: 99999"},
		{"epoch", "ARG SOURCE_DATE_EPOCH=soon\nFROM scratch\n", "invalid SOURCE_DATE_EPOCH: soon"},
	} {
		_, err := w.build(c.dockerfile)
		if err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
	imgs, err := w.store.Images(context.Background())
	must(t, err)
	if len(imgs) != 0 {
		t.Errorf("images: %d", len(imgs))
	}
}

func TestErrorsOfOptions(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		name   string
		change func(*Options)
		want   string
	}{
		{"tag", func(o *Options) { o.Tags = []string{"A B"} }, `invalid tag "A B": invalid reference format`},
		{"platform", func(o *Options) { o.Platform = "linux/s390x" }, "platform linux/s390x is not this machine's"},
		{"network", func(o *Options) { o.Network = "bridge" }, `network mode "bridge" not supported by hoy build`},
		{"context", func(o *Options) { o.Context = filepath.Join(w.ctx, "none") }, "build context " + filepath.Join(w.ctx, "none") + ": no such file or directory"},
		{"context is a file", func(o *Options) { o.Context = filepath.Join(w.ctx, "Dockerfile") }, "build context " + filepath.Join(w.ctx, "Dockerfile") + ": not a directory"},
		{"context is a URL", func(o *Options) { o.Context = "https://example.com/x.git#main" }, "build context https://example.com/x.git#main: only a directory or - is supported"},
		{"dockerfile", func(o *Options) { o.Dockerfile = filepath.Join(w.ctx, "Other") }, "failed to read dockerfile: open Other: no such file or directory"},
		{"both on stdin", func(o *Options) { o.Context, o.Dockerfile, o.Stdin = "-", "-", strings.NewReader("") }, "invalid argument: can't use stdin for both build context and dockerfile"},
		{"check", func(o *Options) { s := "nonsense"; o.BuildArgs = map[string]*string{"BUILDKIT_DOCKERFILE_CHECK": &s} }, "check options: invalid check option"},
	} {
		_, err := w.build("FROM scratch\n", c.change)
		if err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
}

func TestSyntaxErrorShowsTheLine(t *testing.T) {
	w := newWorld(t)
	_, err := w.build("FROM scratch\nENV A=b\nRUNN x\n")
	if err == nil {
		t.Fatal("no error")
	}
	want := "Dockerfile:3\n--------------------\n   1 |     FROM scratch\n   2 |     ENV A=b\n   3 | >>> RUNN x\n   4 |     \n--------------------\n"
	if !strings.Contains(w.out.String(), want) {
		t.Errorf("got\n%s", w.out.String())
	}
}

package build

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"codeberg.org/hoy/hoy/build/rootfs"
	"codeberg.org/hoy/hoy/storage"
	"codeberg.org/hoy/hoy/storage/layertar"
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
	w.checkDigests(img)
	return img, nil
}

// checkDigests finds layers whose digest is not that of their files.
func (w *world) checkDigests(img *storage.Image) {
	w.t.Helper()
	for i, layer := range img.Layers {
		dir, err := os.Open(layer)
		must(w.t, err)
		got, _, err := layertar.Source{Dir: dir, Lower: img.Layers[i+1:]}.Digest(context.Background(), nil)
		must(w.t, errors.Join(err, dir.Close()))
		if want := img.DiffIDs[len(img.DiffIDs)-1-i]; got != want {
			w.t.Errorf("layer %d is said to be %s and is %s", i, want, got)
		}
	}
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

package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"codeberg.org/hoy/hoy/engine/monitor"
	"codeberg.org/hoy/hoy/engine/rootless"
	"codeberg.org/hoy/hoy/oci"
	"codeberg.org/hoy/hoy/oci/runtime"

	_ "codeberg.org/hoy/hoy/engine/role" // this program is the child, the monitor and the outer half of its containers
)

// argsVariable carries the test's arguments over the way into the user namespace.
const argsVariable = "HOY_TEST_ARGS"

func TestMain(m *testing.M) {
	if data := os.Getenv(helperVariable); data != "" {
		runHelper(data)
	}
	if data := os.Getenv(argsVariable); data != "" {
		os.Unsetenv(argsVariable)
		if err := json.Unmarshal([]byte(data), &os.Args); err != nil {
			panic(err)
		}
	} else if os.Geteuid() != 0 {
		args, _ := json.Marshal(os.Args)
		err := syscall.Exec("/proc/self/exe", []string{"hoy", "run"}, append(os.Environ(), argsVariable+"="+string(args)))
		panic(err)
	}
	os.Exit(m.Run())
}

// testEngine is an engine with its own directories, whose containers are gone after the test.
func testEngine(t *testing.T) *Engine {
	t.Helper()
	dir := t.TempDir()
	os.Chmod(dir, 0o755)
	e, err := Open(Options{Root: dir + "/root", Run: dir + "/run", Rootless: rootless.Rootless(), UID: rootless.UID()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		list, err := e.List(ListOptions{All: true})
		if err != nil {
			t.Log(err)
		}
		for _, c := range list {
			if err := e.Remove(context.Background(), c, RemoveOptions{Force: true, Volumes: true}); err != nil {
				t.Logf("clean up: %v", err)
			}
		}
		monitor.RemoveTree(dir + "/root")
	})
	return e
}

// busybox is a root directory with busybox in it.
func busybox(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("busybox")
	if err != nil {
		t.Skip("needs busybox (apt-get install busybox-static)")
	}
	dir := filepath.Join(t.TempDir(), "rootfs")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, sub := range []string{"bin", "proc", "sys", "dev", "etc", "tmp"} {
		os.MkdirAll(filepath.Join(dir, sub), 0o755)
	}
	os.Chmod(dir, 0o755)
	if err := os.WriteFile(dir+"/bin/busybox", data, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"sh", "true", "false", "cat", "echo", "sleep", "id", "ls", "stty", "kill", "head", "yes", "env", "hostname", "grep", "tty"} {
		os.Symlink("busybox", dir+"/bin/"+name)
	}
	os.WriteFile(dir+"/etc/passwd", []byte("root:x:0:0::/:/bin/sh\nuser:x:7:7::/:/bin/sh\n"), 0o644)
	os.WriteFile(dir+"/etc/group", []byte("root:x:0:\nuser:x:7:\n"), 0o644)
	return dir
}

// shell is the Config of a container that runs a script.
func shell(t *testing.T, script string) *oci.Config {
	t.Helper()
	return &oci.Config{Rootfs: busybox(t), Cmd: []string{"/bin/sh", "-c", script}, Network: "none", SigProxy: true}
}

func create(t *testing.T, e *Engine, cfg *oci.Config) *Container {
	t.Helper()
	c, err := e.Create(t.Context(), cfg, CreateOptions{Run: true})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// run runs a container in the foreground, with output to files, and gives its exit code and output.
func run(t *testing.T, e *Engine, cfg *oci.Config) (code int, out, errout string) {
	t.Helper()
	c := create(t, e, cfg)
	dir := t.TempDir()
	o := StartOptions{Foreground: true, SigProxy: true, Attach: []string{"stdout", "stderr"}}
	o.Out, _ = os.Create(dir + "/out")
	o.Err, _ = os.Create(dir + "/err")
	defer o.Out.Close()
	defer o.Err.Close()
	code, err := e.Start(t.Context(), c, o)
	if err != nil {
		t.Fatal(err)
	}
	return code, read(t, dir+"/out"), read(t, dir+"/err")
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// start starts a detached container.
func start(t *testing.T, e *Engine, cfg *oci.Config) *Container {
	t.Helper()
	cfg.Detach = true
	c := create(t, e, cfg)
	if _, err := e.Start(t.Context(), c, StartOptions{}); err != nil {
		t.Fatal(err)
	}
	return find(t, e, c.ID())
}

func find(t *testing.T, e *Engine, ref string) *Container {
	t.Helper()
	c, err := e.Find(ref)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// left is what is in the engine's directories of containers.
func left(e *Engine) string {
	var list []string
	for _, dir := range []string{e.o.Root + "/containers", e.o.Root + "/containers/names", e.o.Run, e.o.Root + "/volumes"} {
		entries, _ := os.ReadDir(dir)
		for _, entry := range entries {
			switch entry.Name() {
			case "names", "storage", "images":
			default:
				list = append(list, fmt.Sprintf("%s/%s", filepath.Base(dir), entry.Name()))
			}
		}
	}
	return strings.Join(list, " ")
}

// ownRef names this process.
func ownRef() runtime.Ref {
	data, _ := os.ReadFile("/proc/self/stat")
	fields := strings.Fields(string(data[strings.LastIndexByte(string(data), ')'):]))
	start, _ := strconv.ParseUint(fields[20], 10, 64)
	return runtime.Ref{Pid: os.Getpid(), StartTime: start, BootID: runtime.BootID()}
}

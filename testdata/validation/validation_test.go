// Package validation judges hoy's OCI runtime by programs of others: those of github.com/opencontainers/runtime-tools. It is a module of its own, so that
// nothing that they need comes into hoy.
package validation

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

const tools = "github.com/opencontainers/runtime-tools"

// limit is how long one program may take.
const limit = time.Minute

// lanes is how many programs run at once: most of their time they sleep.
const lanes = 12

// failures are assertions that failed, "program: assertion".
type failures map[string]bool

// TestValidation runs every program against hoy, and against runc where that is installed. hoy may fail nothing that runc passes on this host, and
// nothing at all, but for the rows of exceptions.txt.
func TestValidation(t *testing.T) {
	hoy := os.Getenv("HOY")
	switch {
	case hoy == "":
		t.Skip("HOY names no hoy: make test-oci")
	case os.Geteuid() != 0:
		t.Skip("needs root")
	}
	dir := t.TempDir()
	programs := build(t, dir)
	link := filepath.Join(dir, "hoy-oci")
	if err := os.Symlink(hoy, link); err != nil {
		t.Fatal(err)
	}
	runtimes := []string{link}
	if runc, err := exec.LookPath("runc"); err == nil {
		runtimes = append(runtimes, runc)
	} else {
		t.Log("runc is not installed: rows of what it fails too are believed")
	}
	failed := runAll(dir, programs, runtimes)
	ours, theirs := failed[0], failures{}
	if len(failed) > 1 {
		theirs = failed[1]
	}
	rows := readExceptions(t)
	for _, f := range slices.Sorted(maps.Keys(ours)) {
		if !theirs[f] && rows[f] == "" {
			t.Errorf("hoy fails, and runc does not:\n%s", f)
		}
	}
	for _, f := range slices.Sorted(maps.Keys(theirs)) {
		if !ours[f] {
			t.Logf("hoy passes, and runc does not: %s", f)
		}
	}
}

// build builds the programs in dir, with what they need beside them.
func build(t *testing.T, dir string) (programs []string) {
	t.Helper()
	out, err := exec.Command("go", "list", "-mod=mod", "-m", "-json", tools).Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var module struct{ Dir string }
	if err := json.Unmarshal(out, &module); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(filepath.Join(module.Dir, "validation"))
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"build", "-mod=mod", "-o", dir + "/", tools + "/cmd/runtimetest"}
	for _, e := range entries {
		if e.IsDir() && e.Name() != "util" {
			programs = append(programs, e.Name())
			args = append(args, path.Join(tools, "validation", e.Name()))
		}
	}
	cmd := exec.Command("go", args...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	rootfs := "rootfs-" + runtime.GOARCH + ".tar.gz"
	data, err := os.ReadFile(filepath.Join(module.Dir, rootfs))
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, rootfs), data, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	return programs
}

// runAll runs the programs against each runtime. Those of control groups all use the same ones, so they go one after the other.
func runAll(dir string, programs, runtimes []string) []failures {
	type job struct {
		program string
		runtime int
	}
	var groups []job
	var lists [][]job
	for i := range runtimes {
		for _, name := range programs {
			if strings.HasPrefix(name, "linux_cgroups") || strings.HasPrefix(name, "delete_") {
				groups = append(groups, job{name, i})
			} else {
				lists = append(lists, []job{{name, i}})
			}
		}
	}
	work := make(chan []job)
	all := make([]failures, len(runtimes))
	var mu sync.Mutex
	var workers sync.WaitGroup
	for range lanes {
		workers.Go(func() {
			for list := range work {
				for _, j := range list {
					failed := runOne(dir, j.program, runtimes[j.runtime])
					mu.Lock()
					if all[j.runtime] == nil {
						all[j.runtime] = failures{}
					}
					maps.Copy(all[j.runtime], failed)
					mu.Unlock()
				}
			}
		})
	}
	for _, list := range append([][]job{groups}, lists...) {
		work <- list
	}
	close(work)
	workers.Wait()
	return all
}

// varying are the parts of an assertion that are others each time: ids and the addresses that some programs print.
var varying = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}|/[^ ]*/ocitest[0-9]+`)

// runOne gives what one program's TAP says that failed. A program that ends badly, or takes too long, has failed itself.
func runOne(dir, name, oci string) failures {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	// In a mount namespace of its own: rootfs_propagation leaves mounts behind.
	cmd := exec.CommandContext(ctx, "unshare", "--mount", "--propagation", "private", "./"+name)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "RUNTIME="+oci, "TMPDIR="+dir) // some leave their bundles behind
	cmd.WaitDelay = time.Second
	var out bytes.Buffer
	cmd.Stdout = &out
	err := cmd.Run()
	failed := failures{}
	for line := range strings.Lines(out.String()) {
		if rest, ok := strings.CutPrefix(line, "not ok "); ok {
			_, what, _ := strings.Cut(rest, " - ")
			failed[name+": "+varying.ReplaceAllString(strings.TrimSpace(what), "*")] = true
		}
	}
	if err != nil && len(failed) == 0 {
		failed[name+": does not end well"] = true
	}
	return failed
}

// readExceptions reads the table: assertions with the reason why hoy may fail them.
func readExceptions(t *testing.T) map[string]string {
	t.Helper()
	data, err := os.ReadFile("exceptions.txt")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]string{}
	reason := ""
	for line := range strings.Lines(string(data)) {
		text := strings.TrimRight(line, "\n")
		switch {
		case text == "":
			reason = ""
		case strings.HasPrefix(text, "# "):
			reason += text[2:] + " "
		case reason == "":
			t.Errorf("exceptions.txt: no reason for %s", text)
		default:
			rows[text] = reason
		}
	}
	return rows
}

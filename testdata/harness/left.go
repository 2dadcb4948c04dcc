package harness

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// checkLeft removes the script's containers and fails the script when something of it is still there.
func checkLeft(e *testscript.Env) {
	vars := map[string]string{}
	for _, v := range e.Vars {
		name, value, _ := strings.Cut(v, "=")
		vars[name] = value
	}
	if out, err := hoy(e, "ps", "-aq"); err == nil {
		if ids := strings.Fields(string(out)); len(ids) > 0 {
			if out, err := hoy(e, append([]string{"rm", "-f", "-v"}, ids...)...); err != nil {
				e.T().Log("remove containers:", err, string(out))
			}
		}
	}
	left := remains(e.WorkDir, vars["HOY_ROOT"], vars["HOY_RUN"])
	freeTree(e, vars["HOY_ROOT"])
	if len(left) > 0 {
		e.T().Log("left behind:\n" + lines(left))
		e.T().FailNow()
	}
}

// freeTree removes a store some of whose files belong to subordinate ids, which the test's own user may not remove.
func freeTree(e *testscript.Env, root string) {
	if os.RemoveAll(root) == nil {
		return
	}
	hoy(e, "rmi", "-f", "busybox")
}

// remains lists what a script has left: containers, their names, their run directories, staged layers, mounts, processes that know its directory,
// links, rules and control groups. What is about to vanish (a monitor that ends, a container that is taken off its networks) is given a moment.
func remains(work, root, run string) []string {
	var left []string
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		left = mounts(work)
		for _, pid := range processes(work) {
			left = append(left, fmt.Sprintf("process %d: %s", pid, commandLine(pid)))
		}
		left = append(left, containerDirs(filepath.Join(root, "containers"))...)
		left = append(left, entries(filepath.Join(root, "containers", "names"))...)
		left = append(left, containerDirs(run)...)
		left = append(left, networkLeft(root)...)
		left = append(left, groups(work)...)
		if len(left) == 0 || time.Now().After(end) {
			return left
		}
	}
}

func entries(dir string) []string {
	list, _ := os.ReadDir(dir)
	var out []string
	for _, e := range list {
		out = append(out, "directory "+filepath.Join(dir, e.Name()))
	}
	return out
}

// containerDirs are the entries of dir that belong to a container: those whose name is an id.
func containerDirs(dir string) []string {
	list, _ := os.ReadDir(dir)
	var out []string
	for _, e := range list {
		if len(e.Name()) == 64 {
			out = append(out, "directory "+filepath.Join(dir, e.Name()))
		}
	}
	return out
}

// mounts are the mounts of this process's own namespace that lie below work, or come from there.
func mounts(work string) []string {
	data, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return []string{err.Error()}
	}
	var out []string
	for line := range strings.Lines(string(data)) {
		if strings.Contains(line, work+"/") {
			out = append(out, "mount "+strings.TrimSpace(line))
		}
	}
	return out
}

// processes are those of a script: those that know its directory. A process of another user's cannot be read and is not ours.
func processes(work string) []int {
	dirs, _ := os.ReadDir("/proc")
	var out []int
	for _, d := range dirs {
		pid, err := strconv.Atoi(d.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		if knows(pid, work) && !anotherTest(pid, work) && !ended(pid) {
			out = append(out, pid)
		}
	}
	return out
}

// knows says whether a process's command line, environment or mounts name work.
func knows(pid int, work string) bool {
	for _, file := range []string{"cmdline", "environ", "mountinfo"} {
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, file))
		if err == nil && bytes.Contains(data, []byte(work+"/")) {
			return true
		}
	}
	return false
}

// anotherTest says whether a process is of a test beside this one, whose mount namespace was copied while the script had something mounted.
func anotherTest(pid int, work string) bool {
	line := commandLine(pid)
	return strings.Contains(line, os.TempDir()+"/") && !strings.Contains(line, work+"/")
}

// ended says whether a process is a zombie: it holds nothing, and its parent has not fetched its status yet.
func ended(pid int) bool {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return true
	}
	_, rest, _ := strings.Cut(string(data), ") ")
	return strings.HasPrefix(rest, "Z") || strings.HasPrefix(rest, "X")
}

// killAll ends every process of a script.
func killAll(work string) {
	for _, pid := range processes(work) {
		syscall.Kill(pid, syscall.SIGKILL)
	}
}

func commandLine(pid int) string {
	data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return strings.TrimSpace(strings.ReplaceAll(string(data), "\x00", " "))
}

func lines(list []string) string { return strings.Join(list, "\n") }

// Package group is the control groups of one container as its keeper needs them: where a process enters them, what they say of it, and how they go.
//
// Its user is also the monitor, which runs before any wide library is initialised: it imports the standard library and golang.org/x/sys only.
package group

import (
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Version is the version that a stored Group carries.
const Version = 1

// Group names the control groups of one container. It is stored where any later command finds it.
type Group struct {
	Version int  `json:"version"`
	Unified bool `json:"unified,omitempty"` // cgroup version 2: there is one directory
	// Dirs are the container's own directories by controller ("memory", "cpu,cpuacct"); with Unified the key is "". They are
	// made by hoy, and removed when the container has ended.
	Dirs map[string]string `json:"dirs"`
	// Late holds what is written to files when the container's process is complete, by path: a limit that hoy's own threads would break in it before.
	Late map[string]string `json:"late,omitempty"`
	// Above are directories that go with the last group in them.
	Above []string `json:"above,omitempty"`
}

// Dir is the directory with a version 1 controller, or, with Unified, the only one; "" when there is none.
func (g *Group) Dir(controller string) string {
	if g.Unified {
		return g.Dirs[""]
	}
	for names, dir := range g.Dirs {
		if slices.Contains(strings.Split(names, ","), controller) {
			return dir
		}
	}
	return ""
}

// Enter gives what a new process is put into the group with: with version 2 the directory that it is born in (clone3(2), CLONE_INTO_CGROUP),
// which the caller closes, else the files that take its pid before it does anything.
func (g *Group) Enter() (procs []string, dir *os.File, err error) {
	if g == nil {
		return nil, nil, nil
	}
	if g.Unified {
		dir, err = os.Open(g.Dirs[""])
		return nil, dir, err
	}
	for _, d := range g.list() {
		procs = append(procs, path.Join(d, "cgroup.procs"))
	}
	return procs, nil, nil
}

// Settle writes what is to be written when the container's process is complete, and before its command runs.
func (g *Group) Settle() error {
	if g == nil {
		return nil
	}
	for file, text := range g.Late {
		if err := os.WriteFile(file, []byte(text), 0); err != nil {
			return fmt.Errorf("set the limits of the control group: %w", err)
		}
	}
	return nil
}

// list is Dirs in a fixed order.
func (g *Group) list() []string {
	list := make([]string, 0, len(g.Dirs))
	for _, d := range g.Dirs {
		list = append(list, d)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// OOMKills is how many processes of the group the kernel has killed because the memory limit was reached. It is asked before Remove.
// Source: Documentation/admin-guide/cgroup-v2.rst, memory.events; cgroup-v1/memory.rst, 10.
func (g *Group) OOMKills() uint64 {
	if g == nil {
		return 0
	}
	file := "memory.oom_control"
	if g.Unified {
		file = "memory.events"
	}
	dir := g.Dir("memory")
	if dir == "" {
		return 0
	}
	return value(path.Join(dir, file), "oom_kill")
}

// Frozen says whether the group is frozen: its container is paused.
func (g *Group) Frozen() bool {
	if g == nil {
		return false
	}
	if g.Unified {
		return value(path.Join(g.Dirs[""], "cgroup.events"), "frozen") == 1
	}
	dir := g.Dir("freezer")
	if dir == "" {
		return false
	}
	state, err := os.ReadFile(path.Join(dir, "freezer.state"))
	return err == nil && strings.TrimSpace(string(state)) == "FROZEN"
}

// value finds a key in a file of lines "key number"; 0 when it is not there.
func value(file, key string) uint64 {
	data, err := os.ReadFile(file)
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(data)) {
		if number, ok := strings.CutPrefix(line, key+" "); ok {
			n, _ := strconv.ParseUint(strings.TrimSpace(number), 10, 64)
			return n
		}
	}
	return 0
}

// Pids are the processes in the group and in those that they made below it, by their ids in the caller's pid namespace.
func (g *Group) Pids() ([]int, error) {
	dirs := g.list()
	if len(dirs) == 0 {
		return nil, nil
	}
	return below(dirs[0]) // every process is in all of them
}

func below(dir string) ([]int, error) {
	pids, err := pidsIn(dir)
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		more, err := below(path.Join(dir, e.Name()))
		if err != nil && !gone(err) {
			return nil, err
		}
		pids = append(pids, more...)
	}
	return pids, nil
}

func pidsIn(dir string) ([]int, error) {
	data, err := os.ReadFile(path.Join(dir, "cgroup.procs"))
	if errors.Is(err, syscall.EOPNOTSUPP) { // a threaded group: its processes are listed above
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var pids []int
	for word := range strings.FieldsSeq(string(data)) {
		pid, err := strconv.Atoi(word)
		if err != nil {
			return nil, fmt.Errorf("%s/cgroup.procs: %w", dir, err)
		}
		if pid > 0 { // 0: a process of another pid namespace
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// patience is how long processes that were killed may take to leave their group.
const patience = 2 * time.Second

// Remove kills what is left in the groups and removes them. A container with a pid namespace of its own left nothing; one with the
// host's may have. Those that are gone already are no error.
func (g *Group) Remove() error {
	if g == nil {
		return nil
	}
	var failed error
	for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		failed = nil
		for _, dir := range g.list() {
			failed = errors.Join(failed, removeTree(dir))
		}
		if failed == nil || time.Now().After(end) {
			break
		}
		g.kill()
	}
	for _, dir := range g.Above {
		syscall.Rmdir(dir) // another container may be in it
	}
	return failed
}

// removeTree removes a group with those that the container made in it.
func removeTree(dir string) error {
	err := syscall.Rmdir(dir)
	if err == nil || err == syscall.ENOENT {
		return nil
	}
	entries, readErr := os.ReadDir(dir)
	if readErr != nil {
		return readErr
	}
	for _, e := range entries {
		if e.IsDir() {
			if err := removeTree(path.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	if err := syscall.Rmdir(dir); err != nil && err != syscall.ENOENT {
		return fmt.Errorf("remove control group %s: %w", dir, err)
	}
	return nil
}

// kill ends all processes of the group, frozen ones too. It never kills its caller: rootless, that may be born in the same unit, but not in the group.
func (g *Group) kill() {
	if g.Unified && os.WriteFile(path.Join(g.Dirs[""], "cgroup.kill"), []byte("1"), 0) == nil { // Linux 5.14
		return
	}
	pids, err := g.Pids()
	if err != nil {
		return
	}
	for _, pid := range pids {
		if pid != os.Getpid() {
			syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	g.Thaw()
}

// Thaw lets the processes of a frozen group go on, so that those that were killed end. A group without a freezer is no error.
func (g *Group) Thaw() error {
	if g == nil {
		return nil
	}
	dir := g.Dir("freezer")
	if dir == "" {
		return nil
	}
	if g.Unified {
		return os.WriteFile(path.Join(dir, "cgroup.freeze"), []byte("0"), 0)
	}
	return os.WriteFile(path.Join(dir, "freezer.state"), []byte("THAWED"), 0)
}

func gone(err error) bool { return errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ENODEV) }

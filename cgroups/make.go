package cgroups

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	library "github.com/opencontainers/cgroups"
	_ "github.com/opencontainers/cgroups/devices" // the device filter of both versions
	"github.com/opencontainers/cgroups/fs"
	"github.com/opencontainers/cgroups/fs2"
	"github.com/opencontainers/runtime-spec/specs-go"

	"codeberg.org/hoy/hoy/cgroups/group"
)

// MakeOptions describe the groups of one container.
type MakeOptions struct {
	ID        string // 64 hexadecimal digits
	Parent    string // --cgroup-parent: a directory, or with Scope a slice; "" is hoy's own choice
	Resources *specs.LinuxResources
	// Record stores the group before any of it is made, so that whoever finds it after a crash can remove it; nil takes that back.
	Record func(*group.Group) error
}

// Make makes the groups of one container, with its limits, before its process is born. With Scope and Own the caller itself moves: into the unit of the
// container, or into a group beside that of the container. On an error nothing is left but what Record stored.
func (h *Host) Make(o MakeOptions) (*group.Group, error) {
	if h.Mode == None {
		return nil, h.why
	}
	r, err := h.translate(o.Resources)
	if err != nil {
		return nil, err
	}
	plan := h.planUnified
	if h.Mode == V1 {
		plan = h.planV1
	}
	g, err := plan(o, r)
	if err != nil {
		return nil, err
	}
	delayPids(g, r)
	if err := o.Record(g); err != nil {
		return nil, err
	}
	if err := h.fill(g, r); err != nil {
		return nil, errors.Join(err, g.Remove())
	}
	return g, nil
}

// fill makes the directories and writes the limits.
func (h *Host) fill(g *group.Group, r *library.Resources) error {
	m, err := manager(g, r)
	if err != nil {
		return err
	}
	for tries := 0; ; tries++ {
		if err = mkdir(g); !errors.Is(err, os.ErrNotExist) || tries == 10 { // another container's end removed the directory above
			break
		}
	}
	if err != nil {
		return fmt.Errorf("make control group: %w", err)
	}
	dropDerivedSwap(g, r)
	if err := m.Set(r); err != nil {
		return &Error{What: "set the limits of the control group", err: err, Fix: or("leave out the limit that this kernel refuses")}
	}
	for file := range g.Late {
		if err := os.WriteFile(file, []byte("max"), 0); err != nil {
			return fmt.Errorf("lift the limit for now: %w", err)
		}
	}
	return nil
}

// delayPids puts a small limit of processes off.
func delayPids(g *group.Group, r *library.Resources) {
	if r.PidsLimit != nil {
		g.DelayPids(*r.PidsLimit)
	}
}

func mkdir(g *group.Group) error {
	if g.Unified {
		err := os.Mkdir(g.Dir(""), 0o755)
		if errors.Is(err, os.ErrExist) {
			return nil
		}
		return err
	}
	_, err := g.MakeDirs()
	return err
}

// manager is the library's view of a group.
func manager(g *group.Group, r *library.Resources) (library.Manager, error) {
	c := &library.Cgroup{Resources: r}
	if g.Unified {
		return fs2.NewManager(c, g.Dir(""))
	}
	paths := map[string]string{}
	for _, name := range group.Controllers {
		if dir := g.Dir(name); dir != "" {
			paths[name] = dir
		}
	}
	return fs.NewManager(c, paths)
}

// dropDerivedSwap leaves the swap limit out where the kernel does not count swap and nobody asked for one: what Docker makes of --memory alone is
// twice as much of both.
func dropDerivedSwap(g *group.Group, r *library.Resources) {
	file := "memory.memsw.limit_in_bytes"
	if g.Unified {
		file = "memory.swap.max"
	}
	if _, err := os.Stat(filepath.Join(g.Dir("memory"), file)); err != nil && r.MemorySwap == 2*r.Memory {
		r.MemorySwap = 0
	}
}

// planV1 names the groups below each hierarchy's root, where Docker has its own.
func (h *Host) planV1(o MakeOptions, r *library.Resources) (*group.Group, error) {
	for _, name := range needs(r) {
		if !h.mounted(v1Name(name)) {
			return nil, h.missing(v1Name(name), root)
		}
	}
	g := &group.Group{Version: group.Version, Dirs: map[string]string{}}
	for names, mount := range h.mounts {
		if names == "devices" && r.SkipDevices {
			continue
		}
		parent := filepath.Join(mount, "hoy")
		if o.Parent != "" {
			parent = filepath.Join(mount, filepath.Join("/", o.Parent))
		} else {
			g.Above = append(g.Above, parent)
		}
		g.Dirs[names] = filepath.Join(parent, o.ID)
	}
	return g, nil
}

func (h *Host) mounted(controller string) bool {
	for names := range h.mounts {
		if has(strings.Split(names, ","), controller) {
			return true
		}
	}
	return false
}

// planUnified makes what is above the container's group ready: the parent, with the controllers that the limits need.
func (h *Host) planUnified(o MakeOptions, r *library.Resources) (*group.Group, error) {
	g := &group.Group{Version: group.Version, Unified: true}
	parent, name := h.dir, o.ID
	switch h.Mode {
	case V2:
		if o.Parent != "" {
			parent = filepath.Join(root, filepath.Join("/", o.Parent))
		} else {
			g.Above = []string{parent}
		}
		if err := os.MkdirAll(parent, 0o755); err != nil {
			return nil, fmt.Errorf("make control group: %w", err)
		}
		if err := h.enableDown(root, parent, needs(r)); err != nil {
			return nil, err
		}
	case Scope:
		scope, err := h.enterScope(o)
		if err != nil {
			return nil, err
		}
		parent, name = scope, "container"
	default:
		name = "hoy-" + o.ID
		if o.Parent != "" {
			return nil, &Error{What: "--cgroup-parent cannot be used in a unit with Delegate=yes", Fix: "leave --cgroup-parent out"}
		}
	}
	if h.Mode != V2 {
		if err := h.divide(parent, needs(r)); err != nil {
			return nil, err
		}
	}
	g.Dirs = map[string]string{"": filepath.Join(parent, name)}
	return g, nil
}

// enableDown gives the controllers to the groups in each directory from top down to dir, both included.
func (h *Host) enableDown(top, dir string, names []string) error {
	path := top
	if err := h.enable(path, names); err != nil {
		return err
	}
	rest := strings.Trim(strings.TrimPrefix(dir, top), "/")
	for part := range strings.SplitSeq(rest, "/") {
		if part == "" {
			continue
		}
		path = filepath.Join(path, part)
		if err := h.enable(path, names); err != nil {
			return err
		}
	}
	return nil
}

// enable gives the controllers to the groups in dir.
func (h *Host) enable(dir string, names []string) error {
	enabled, err := words(filepath.Join(dir, "cgroup.subtree_control"))
	if err != nil {
		return err
	}
	available, err := words(filepath.Join(dir, "cgroup.controllers"))
	if err != nil {
		return err
	}
	for _, name := range names {
		if has(enabled, name) {
			continue
		}
		if !has(available, name) {
			return h.missing(name, dir)
		}
		if err := os.WriteFile(filepath.Join(dir, "cgroup.subtree_control"), []byte("+"+name), 0); err != nil {
			return fmt.Errorf("enable control group controller %s: %w", name, err)
		}
	}
	return nil
}

// supervisor is the group in a divided unit that those go to who were in the unit itself, hoy among them.
const supervisor = "hoy"

// divide gives the controllers to the groups in unit. A group with processes of its own cannot give any (Documentation/admin-guide/cgroup-v2.rst, No
// Internal Process Constraint), so they move aside first.
func (h *Host) divide(unit string, names []string) error {
	aside := filepath.Join(unit, supervisor)
	if err := os.Mkdir(aside, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("make control group: %w", err)
	}
	for tries := 0; ; tries++ {
		moved, err := moveAll(unit, aside)
		if err != nil {
			return fmt.Errorf("divide control group %s: %w", unit, err)
		}
		if !moved || tries == 100 { // a process that forks all the time
			break
		}
	}
	return h.enable(unit, names)
}

// moveAll moves the processes of one group to another, and says whether there were any.
func moveAll(from, to string) (bool, error) {
	pids, err := words(filepath.Join(from, "cgroup.procs"))
	if err != nil {
		return false, err
	}
	for _, pid := range pids {
		if pid == "0" { // outside of our pid namespace
			return false, errors.New("it has processes that cannot be seen from here")
		}
		err := os.WriteFile(filepath.Join(to, "cgroup.procs"), []byte(pid), 0)
		if err != nil && !errors.Is(err, syscall.ESRCH) {
			return false, fmt.Errorf("move process %s: %w", pid, err)
		}
	}
	return len(pids) > 0, nil
}

func words(file string) ([]string, error) {
	data, err := os.ReadFile(file)
	return strings.Fields(string(data)), err
}

func userSocket(uid int) string { return "/run/user/" + strconv.Itoa(uid) + "/systemd/private" }

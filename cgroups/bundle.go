package cgroups

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	library "github.com/opencontainers/cgroups"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"codeberg.org/hoy/hoy/cgroups/group"
)

// BundleOptions describe the control groups of a container of a runtime specification, which says where they are.
type BundleOptions struct {
	ID        string
	Path      string // linux.cgroupsPath, or the runtime's choice; "" is a group of the container's id, beside the caller
	Anywhere  bool   // Path is the runtime's choice
	Systemd   bool   // Path is slice:prefix:name
	Resources *specs.LinuxResources
	Record    func(*group.Group) error // as in MakeOptions
}

// MakeBundle makes the groups of one container with its limits. An ordinary user's container that asks for no limits has none where there are none to
// be had, and then the result is nil.
func (h *Host) MakeBundle(o BundleOptions) (*group.Group, error) {
	r, err := h.translate(o.Resources)
	if err != nil {
		return nil, err
	}
	if g, err := h.guarded(o, r); g != nil || err != nil {
		return g, err
	}
	g, err := h.planBundle(o, r)
	if err == nil && g != nil {
		delayPids(g, r)
		err = o.Record(g)
	}
	if err == nil && g != nil {
		if err = h.fill(g, r); err != nil {
			err = errors.Join(err, g.Remove())
		}
	}
	if err != nil && h.o.Rootless && len(needs(r)) == 0 {
		return nil, nil
	}
	return g, err
}

// guarded makes the group of a container that has no limits and no wish where it is: below the one that filters the devices for all such containers.
// It is born in it, so that it costs nothing. nil: it has to be done otherwise.
func (h *Host) guarded(o BundleOptions, r *library.Resources) (*group.Group, error) {
	if !o.Anywhere || o.Systemd || h.o.Rootless || len(needs(r)) > 0 || len(r.Unified) > 0 {
		return nil, nil
	}
	guard, err := Guard(o.Resources)
	if guard == "" || err != nil {
		return nil, err
	}
	g := group.Below(guard, o.Path)
	if err := o.Record(g); err != nil {
		return nil, err
	}
	return g, g.MakeDir()
}

// planBundle names the groups, and makes what is above them.
func (h *Host) planBundle(o BundleOptions, r *library.Resources) (*group.Group, error) {
	unified := isUnified()
	switch {
	case o.Systemd && !unified:
		return nil, &Error{What: "systemd's control groups need version 2", Fix: "leave --systemd-cgroup out"}
	case o.Systemd:
		return h.planScope(o, r)
	case unified:
		return h.planPath(o, r)
	case len(h.mounts) == 0:
		return nil, h.why
	}
	return h.planPathV1(o, r)
}

func isUnified() bool {
	var st unix.Statfs_t
	return unix.Statfs(root, &st) == nil && st.Type == unix.CGROUP2_SUPER_MAGIC
}

// groupPath is runc's reading of a path: an absolute one is below the mount, any other below the caller's own group.
func groupPath(mount, own string, o BundleOptions) string {
	switch {
	case o.Path == "":
		return filepath.Join(mount, own, o.ID)
	case filepath.IsAbs(o.Path):
		return filepath.Join(mount, filepath.Join("/", o.Path))
	}
	return filepath.Join(mount, own, filepath.Join("/", o.Path))
}

func (h *Host) planPathV1(o BundleOptions, r *library.Resources) (*group.Group, error) {
	for _, name := range needs(r) {
		if !h.mounted(v1Name(name)) {
			return nil, h.missing(v1Name(name), root)
		}
	}
	if o.Path == "" {
		o.Path = o.ID
	}
	g, err := group.At(h.mounts, o.Path)
	if err != nil {
		return nil, err
	}
	return g, notTheRoot(g)
}

func (h *Host) planPath(o BundleOptions, r *library.Resources) (*group.Group, error) {
	own := strings.TrimPrefix(ownGroup(), root)
	dir := groupPath(root, own, o)
	g := &group.Group{Version: group.Version, Unified: true, Dirs: map[string]string{"": dir}}
	if err := notTheRoot(g); err != nil {
		return nil, err
	}
	parent := filepath.Dir(dir)
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return nil, fmt.Errorf("make control group: %w", err)
	}
	return g, h.enableDown(root, parent, needs(r))
}

// notTheRoot refuses a path that is a hierarchy itself: its limits are everybody's.
func notTheRoot(g *group.Group) error {
	for _, dir := range g.Dirs {
		if dir == root || filepath.Dir(dir) == root && !g.Unified {
			return errors.New("linux.cgroupsPath names the root of the hierarchy")
		}
	}
	return nil
}

// planScope has systemd make the scope that slice:prefix:name names (runc, libcontainer/specconv).
func (h *Host) planScope(o BundleOptions, r *library.Resources) (*group.Group, error) {
	manager := *h
	if manager.bus = h.managerSocket(); manager.bus == "" {
		return nil, &Error{What: "systemd does not run, or not for this user", Fix: "leave --systemd-cgroup out"}
	}
	slice, unit, err := scopeName(o, h.o.Rootless)
	if err != nil {
		return nil, err
	}
	scope, err := manager.startScope(unit, slice, "container "+o.ID)
	if err != nil {
		return nil, err
	}
	if err := h.divide(scope, needs(r)); err != nil {
		return nil, err
	}
	return &group.Group{Version: group.Version, Unified: true, Dirs: map[string]string{"": filepath.Join(scope, "container")}}, nil
}

func scopeName(o BundleOptions, rootless bool) (slice, unit string, err error) {
	slice, prefix, name := "system.slice", strings.TrimSuffix(scopePrefix, "-"), o.ID
	if rootless {
		slice = "user.slice"
	}
	if o.Path != "" {
		parts := strings.Split(o.Path, ":")
		if len(parts) != 3 || parts[2] == "" {
			return "", "", fmt.Errorf("expected cgroupsPath to be of format \"slice:prefix:name\" for systemd cgroups, got %q instead", o.Path)
		}
		if parts[0] != "" {
			slice = parts[0]
		}
		prefix, name = parts[1], parts[2]
	}
	if !strings.HasSuffix(slice, ".slice") || strings.Contains(slice, "/") {
		return "", "", fmt.Errorf("%q is not a slice of systemd's", slice)
	}
	if prefix != "" {
		name = prefix + "-" + name
	}
	return slice, name + ".scope", nil
}

// Usage is everything that the library reads of a group, in its own form.
type Usage = library.Stats

// Use reads what a container uses.
func Use(g *group.Group) (*Usage, error) {
	if g == nil {
		return nil, ErrNoGroup
	}
	m, err := manager(g, &library.Resources{})
	if err != nil {
		return nil, err
	}
	return m.GetStats()
}

// Controllers are those that a group can be given here, for `features`.
func Controllers() []string { return slices.Clone(group.Controllers) }

package cgroups

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	library "github.com/opencontainers/cgroups"
	"github.com/opencontainers/runtime-spec/specs-go"

	"codeberg.org/hoy/hoy/cgroups/group"
)

// Update changes the limits of a group; what r does not name stays. The controllers of new limits must be there already: a version 2 group gets them
// here, as far as its parent's are the caller's.
func (h *Host) Update(g *group.Group, r *specs.LinuxResources) error {
	if g == nil {
		return ErrNoGroup
	}
	copied := *r
	copied.Devices = nil // the device filter stays as it is
	res, err := h.translate(&copied)
	if err != nil {
		return err
	}
	if g.Unified {
		if err := h.enable(filepath.Dir(g.Dir("")), needs(res)); err != nil {
			return err
		}
	}
	m, err := manager(g, res)
	if err != nil {
		return err
	}
	dropDerivedSwap(g, res)
	if err := m.Set(res); err != nil {
		return &Error{What: "set the limits of the control group", err: err, Fix: "give a limit that this kernel takes"}
	}
	return nil
}

// Freeze stops all processes of a group, and returns when they have stopped, or lets them go on.
func Freeze(g *group.Group, frozen bool) error {
	if g == nil || g.Dir("freezer") == "" {
		return ErrNoGroup
	}
	state := library.Thawed
	if frozen {
		state = library.Frozen
	}
	m, err := manager(g, &library.Resources{})
	if err != nil {
		return err
	}
	if err := m.Freeze(state); err != nil {
		return fmt.Errorf("freezer: %w", err)
	}
	return nil
}

// Stats are what a container uses.
type Stats struct {
	CPU         uint64 // nanoseconds of all CPUs
	Memory      uint64 // bytes, without files that are only cached
	MemoryLimit uint64 // bytes; 0: none of its own
	Pids        uint64 // processes and threads
	PidsLimit   uint64 // 0: none
	Read, Write uint64 // bytes from and to block devices
}

// Stat reads what a group uses.
func Stat(g *group.Group) (*Stats, error) {
	if g == nil {
		return nil, ErrNoGroup
	}
	m, err := manager(g, &library.Resources{})
	if err != nil {
		return nil, err
	}
	raw, err := m.Stats(&library.StatsOptions{Controllers: library.CPU | library.CPUSet | library.Memory | library.Pids | library.IO})
	if err != nil {
		return nil, err
	}
	s := &Stats{
		CPU:         raw.CpuStats.CpuUsage.TotalUsage,
		Memory:      usedMemory(&raw.MemoryStats),
		MemoryLimit: raw.MemoryStats.Usage.Limit,
		Pids:        raw.PidsStats.Current,
		PidsLimit:   raw.PidsStats.Limit,
	}
	for _, e := range raw.BlkioStats.IoServiceBytesRecursive {
		switch strings.ToLower(e.Op) {
		case "read":
			s.Read += e.Value
		case "write":
			s.Write += e.Value
		}
	}
	return s, nil
}

// usedMemory is Docker's: without the part of the cache that can go at once. Source: docker/cli, calculateMemUsageUnixNoCache.
func usedMemory(m *library.MemoryStats) uint64 {
	for _, key := range []string{"total_inactive_file", "inactive_file"} {
		if v, ok := m.Stats[key]; ok && v < m.Usage.Usage {
			return m.Usage.Usage - v
		}
	}
	return m.Usage.Usage
}

// Gather puts processes that run in no group of their own into one, for what cannot be done without: to pause them. list gives the processes; it is asked
// until it names none that is new. Limits are not set. The groups of version 1 are the freezer's alone.
func (h *Host) Gather(o MakeOptions, list func() ([]int, error)) (*group.Group, error) {
	g, err := h.planGather(o)
	if err != nil {
		return nil, err
	}
	if err := o.Record(g); err != nil {
		return nil, err
	}
	dir := g.Dir("freezer")
	err = os.MkdirAll(dir, 0o755)
	if err == nil {
		err = enterAll(filepath.Join(dir, "cgroup.procs"), list)
	}
	if err != nil {
		return nil, fmt.Errorf("move the container into a control group: %w", err)
	}
	return g, nil
}

func (h *Host) planGather(o MakeOptions) (*group.Group, error) {
	switch {
	case h.Mode == V1 && h.mounted("freezer"):
		for names, mount := range h.mounts {
			if has(strings.Split(names, ","), "freezer") {
				parent := filepath.Join(mount, "hoy")
				return &group.Group{Version: group.Version, Dirs: map[string]string{names: filepath.Join(parent, o.ID)}, Above: []string{parent}}, nil
			}
		}
	case h.Mode == V1 || h.Mode == None || h.o.Rootless:
		return nil, &Error{What: "the container was started without a control group, and only root can give it one now",
			Fix: "start it with --pids-limit -1, or with any limit, to be able to pause it"}
	}
	parent := h.dir
	if h.Mode == Scope { // outside of systemd's units, where its own group is
		parent = ownGroup()
	}
	return &group.Group{Version: group.Version, Unified: true, Dirs: map[string]string{"": filepath.Join(parent, "hoy-"+o.ID)}}, nil
}

// enterAll moves processes into a group until there are no others: they fork meanwhile.
func enterAll(procs string, list func() ([]int, error)) error {
	seen := map[int]bool{}
	for {
		pids, err := list()
		if err != nil {
			return err
		}
		fresh := false
		for _, pid := range pids {
			if seen[pid] {
				continue
			}
			seen[pid], fresh = true, true
			err := os.WriteFile(procs, fmt.Append(nil, pid), 0)
			if err != nil && !errors.Is(err, syscall.ESRCH) {
				return err
			}
		}
		if !fresh {
			return nil
		}
	}
}

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
	// On version 1 a group in which processes are being started freezes by chance: the library tries for some 250 ms and thaws it again
	// (kernel, freezer-subsystem.txt). Of thirty pauses of a container with a health check two failed so.
	for range freezeTries {
		if err = m.Freeze(state); err == nil || g.Unified || !frozen {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("freezer: %w", err)
	}
	return nil
}

// freezeTries is how often a version 1 group is asked to freeze.
const freezeTries = 5

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

// Gather puts processes that run in no group of their own into one, for what cannot be done without: to pause them. list gives the processes, the first
// one first; it is asked until it names none that is new. Limits are not set. With version 1 the group is the freezer's alone, with version 2 it is below the
// one that the first process is in: so whatever limits and accounts that goes on doing so.
func (h *Host) Gather(o MakeOptions, list func() ([]int, error)) (*group.Group, error) {
	g, err := h.planGather(o, list)
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
		if gone := os.Remove(dir); gone == nil || errors.Is(gone, os.ErrNotExist) { // else some are in it, and go on there
			err = errors.Join(err, o.Record(nil))
		}
		return nil, cannotGather(err)
	}
	return g, nil
}

func cannotGather(err error) *Error {
	return &Error{What: "the container was started without a control group and cannot get one now", err: err,
		Fix: "start it with --cgroups=enabled to be able to pause it"}
}

// noFreezer is why no container can be paused here, whatever group it has.
func noFreezer(why *Error) *Error {
	return &Error{What: "there is no control group that could stop its processes", err: why, Fix: strings.TrimSuffix(why.Fix, or(""))}
}

func (h *Host) planGather(o MakeOptions, list func() ([]int, error)) (*group.Group, error) {
	g := &group.Group{Version: group.Version, Dirs: map[string]string{}}
	switch h.Mode {
	case None:
		return nil, noFreezer(h.why)
	case V1:
		for names, mount := range h.mounts {
			if has(strings.Split(names, ","), "freezer") {
				g.Above = []string{filepath.Join(mount, "hoy")}
				g.Dirs[names] = filepath.Join(mount, "hoy", o.ID)
				return g, nil
			}
		}
		return nil, noFreezer(h.missing("freezer", root))
	}
	pids, err := list()
	if err != nil || len(pids) == 0 {
		return nil, cannotGather(err)
	}
	parent := groupOf(strconv.Itoa(pids[0]))
	if parent == "" {
		return nil, cannotGather(errors.New("its processes are outside of " + root))
	}
	g.Unified, g.Dirs[""] = true, filepath.Join(parent, "hoy-"+o.ID)
	return g, nil
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
			err := os.WriteFile(procs, strconv.AppendInt(nil, int64(pid), 10), 0)
			if err != nil && !errors.Is(err, syscall.ESRCH) {
				return err
			}
		}
		if !fresh {
			return nil
		}
	}
}

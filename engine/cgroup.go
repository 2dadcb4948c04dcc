package engine

import (
	"errors"
	"fmt"
	"os"
	goruntime "runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"codeberg.org/hoy/hoy/cgroups"
	"codeberg.org/hoy/hoy/cgroups/group"
	"codeberg.org/hoy/hoy/engine/monitor"
	"codeberg.org/hoy/hoy/oci"
	"codeberg.org/hoy/hoy/oci/runtime"
)

// host is what the user can do with control groups. It is asked only for a container that is to have one.
func (e *Engine) host(split bool) *cgroups.Host {
	return cgroups.Detect(cgroups.Options{Rootless: e.o.Rootless, UID: e.o.UID, Split: split})
}

// checkLimits refuses limits that this machine cannot keep, when the container is created.
func (e *Engine) checkLimits(r *oci.Resources) error {
	r.Derive()
	if !r.Limited() {
		return nil
	}
	if err := checkCPUs(r); err != nil {
		return err
	}
	return e.host(r.Cgroups == "split").Why()
}

// checkCPUs holds the limits against the machine's CPUs, in Docker's words (moby daemon/daemon_unix.go).
func checkCPUs(r *oci.Resources) error {
	n := goruntime.NumCPU()
	if r.NanoCPUs < 0 || r.NanoCPUs > int64(n)*1e9 {
		//lint:ignore ST1005 Docker's words
		return fmt.Errorf("Range of CPUs is from 0.01 to %d.00, as there are only %d CPUs available", n, n)
	}
	for _, set := range []struct{ what, want, file string }{
		{"CPUs", r.CpusetCpus, "/sys/devices/system/cpu/online"},
		{"memory nodes", r.CpusetMems, "/sys/devices/system/node/online"},
	} {
		data, err := os.ReadFile(set.file)
		if err != nil {
			data = []byte("0") // a kernel without NUMA
		}
		available := strings.TrimSpace(string(data))
		have, _ := oci.ParseNumberList(available)
		want, _ := oci.ParseNumberList(set.want)
		if slices.ContainsFunc(want, func(i int) bool { return !slices.Contains(have, i) }) {
			//lint:ignore ST1005 Docker's words
			return fmt.Errorf("Requested %s are not available - requested %s, available: %s", set.what, set.want, available)
		}
	}
	return nil
}

// makeGroup makes the control groups of a container that has limits, or gives that with the device filter for one that has none.
func (e *Engine) makeGroup(c *Container, r *specs.LinuxResources) (guard string, err error) {
	limits := &c.Config.Resources
	if !limits.Limited() {
		return e.guard(r)
	}
	_, err = e.host(limits.Cgroups == "split").Make(cgroups.MakeOptions{
		ID:        c.ID(),
		Parent:    limits.CgroupParent,
		Resources: r,
		Record:    func(g *group.Group) error { return monitor.WriteGroup(c.place, g) },
	})
	return "", err
}

// guard gives the group with the device filter of a container without groups of its own, "" for none. In a user namespace nobody makes devices.
func (e *Engine) guard(r *specs.LinuxResources) (string, error) {
	if e.o.Rootless {
		return "", nil
	}
	return cgroups.Guard(r)
}

// enterGroup has a new process born in the running container's control groups, when it has any. done is called when it is there.
func (e *Engine) enterGroup(c *Container, o *runtime.StartOptions) (done func(), err error) {
	done = func() {
		if o.CgroupFD != nil {
			o.CgroupFD.Close()
		}
	}
	g, err := c.place.Group()
	if err != nil {
		return nil, err
	}
	if g == nil || !g.Unified { // of version 1 it may be a group that was made to pause it, without a device filter
		if dir := cgroups.GuardOf(strconv.Itoa(c.process.Pid)); dir != "" && !e.o.Rootless {
			o.CgroupFD, err = os.Open(dir)
		}
	}
	if g == nil || err != nil {
		return done, err
	}
	if g.Unified {
		if err := e.host(false).Join(g.Dir("")); err != nil {
			return nil, err
		}
	}
	procs, dir, err := g.Enter()
	if o.CgroupProcs = procs; dir != nil {
		o.CgroupFD = dir
	}
	return done, err
}

// deliver sends a signal to the container's process. One that is paused goes on, or it would never get it.
func (c *Container) deliver(sig syscall.Signal) error {
	err := c.process.Signal(sig)
	if errors.Is(err, syscall.EPERM) { // we are in another user namespace; the monitor is not
		err = c.deliverByMonitor(sig)
	}
	if err != nil || c.State.Status != StatusPaused {
		return err
	}
	g, err := c.place.Group()
	if err == nil {
		err = cgroups.Freeze(g, false)
	}
	if errors.Is(err, os.ErrNotExist) { // it has ended
		return nil
	}
	return err
}

func (c *Container) deliverByMonitor(sig syscall.Signal) error {
	client, err := monitor.Dial(c.place, 0, monitor.Size{})
	if err != nil {
		return err
	}
	defer client.Close()
	if err := client.Signal(sig); err != nil {
		return err
	}
	// The monitor reads on once it has told a client that the container runs. One that hung up before is dropped unread.
	client.SetDeadline(time.Now().Add(time.Second))
	client.Next()
	return nil
}

// cgroupDriver is `info`'s word for who makes control groups: "systemd", "cgroupfs" or "none".
func (e *Engine) cgroupDriver() string {
	switch e.host(false).Mode {
	case cgroups.None:
		return "none"
	case cgroups.Scope:
		return "systemd"
	}
	return "cgroupfs"
}

// Package cgroups makes and changes the control groups of containers: version 1, version 2, or a transient scope of systemd's, chosen once for a host and a user.
//
// A container without limits needs none of it. What the container's keeper needs later is in package group.
package cgroups

import (
	"errors"
	"fmt"
	"strconv"
)

// Mode says by what means control groups are made.
type Mode string

// The modes.
const (
	None  Mode = "none"    // not at all: Host.Why says why
	V1    Mode = "v1"      // cgroupfs, one hierarchy for each controller
	V2    Mode = "v2"      // cgroupfs, from the root of the one hierarchy down
	Own   Mode = "own"     // version 2, below the group that the caller is in, which was delegated to it
	Scope Mode = "systemd" // version 2, in a transient scope unit, made by the system's or the user's service manager
)

// Options say for whom groups are made.
type Options struct {
	Rootless bool
	UID      int  // of the user on the host; 0 for root
	Split    bool // --cgroups=split: below the caller's own group, or not at all
}

// Host is what one user can do with control groups on this machine. It is a value: Detect makes it, and nothing changes it.
type Host struct {
	Mode Mode

	o      Options
	mounts map[string]string // V1: controllers ("cpu,cpuacct") → where they are mounted
	dir    string            // V2, Own: the directory that groups are made in
	bus    string            // Scope: the socket of the service manager
	why    *Error            // None
}

// Why is why there are no control groups, with what would mend it; nil when Mode is not None.
func (h *Host) Why() error {
	if h.why == nil {
		return nil
	}
	return h.why
}

// Error is what keeps a container from its limits.
type Error struct {
	What string
	Fix  string // what to do about it
	err  error
}

func (e *Error) Error() string {
	if e.err != nil {
		return e.What + ": " + e.err.Error()
	}
	return e.What
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.err }

// Hint is the fix.
func (e *Error) Hint() string { return e.Fix }

// ErrNoGroup is a container that has no control group of its own, for what cannot do without.
var ErrNoGroup = errors.New("the container has no control group")

// goWithout ends every fix: the way out that is always open.
const goWithout = "--cgroups=disabled runs it without limits"

func or(fix string) string { return fix + "; or " + goWithout }

// delegateFix is how an administrator lets an ordinary user have controllers. Source: systemd.resource-control(5), Delegate=.
func delegateFix(uid int) string {
	return or("sudo mkdir -p /etc/systemd/system/user@.service.d && printf '[Service]\\nDelegate=cpu cpuset io memory pids\\n' | " +
		"sudo tee /etc/systemd/system/user@.service.d/delegate.conf && sudo systemctl daemon-reload && sudo systemctl restart user@" + strconv.Itoa(uid))
}

func (h *Host) missing(controller, dir string) *Error {
	e := &Error{What: fmt.Sprintf("the control group controller %q is not available in %s", controller, dir)}
	switch {
	case h.Mode == Scope && h.o.Rootless:
		e.What = fmt.Sprintf("the control group controller %q is not delegated to user %d", controller, h.o.UID)
		e.Fix = delegateFix(h.o.UID)
	case h.Mode == Own:
		e.Fix = or("give the unit that hoy runs in Delegate=yes")
	default:
		e.Fix = or("boot a kernel that has it")
	}
	return e
}

package cgroups

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/godbus/dbus/v5"
)

// scopePrefix begins the name of every scope that hoy makes.
const scopePrefix = "hoy-"

// scopeTimeout is how long systemd may take.
const scopeTimeout = 30 * time.Second

// property is one property of a unit, as StartTransientUnit takes it.
type property struct {
	Name  string
	Value dbus.Variant
}

// enterScope makes the container's scope with the caller as its first process, and gives its directory. The caller is in it for three reasons: a scope without
// a process is none; systemd removes it, with the count of OOM kills, as soon as its last process ends; and a process may only be born in a group of another
// part of the tree by who may write to what is above both (cgroups(7)), which an ordinary user may not in its login session.
// Source: org.freedesktop.systemd1(5), StartTransientUnit; systemd, docs/CGROUP_DELEGATION.md.
func (h *Host) enterScope(o MakeOptions) (string, error) {
	slice := o.Parent
	switch {
	case slice == "" && h.o.Rootless:
		slice = "app.slice"
	case slice == "":
		slice = "system.slice"
	case !strings.HasSuffix(slice, ".slice") || strings.Contains(slice, "/"):
		return "", fmt.Errorf("cgroup-parent for systemd cgroup should be a valid slice named as \"xxx.slice\"")
	}
	return h.startScope(scopePrefix+o.ID+".scope", slice, "container "+o.ID[:12])
}

// Join brings the caller into a scope of its own below its service manager, when it may not put processes into the group at dir as it is: `exec` of an ordinary user. It
// does nothing where there is no manager.
func (h *Host) Join(dir string) error {
	if h.Mode != Scope || !h.o.Rootless || below(ownGroup(), filepath.Dir(userSliceOf(dir))) {
		return nil
	}
	name := scopePrefix + "exec-" + strconv.Itoa(os.Getpid()) + "-" + strconv.FormatInt(time.Now().UnixNano(), 36) + ".scope"
	_, err := h.startScope(name, "app.slice", "exec")
	return err
}

// userSliceOf is the part of a directory up to the user's service manager, user@UID.service/…
func userSliceOf(dir string) string {
	for d := dir; len(d) > len(root); d = filepath.Dir(d) {
		if strings.HasPrefix(filepath.Base(filepath.Dir(d)), "user@") {
			return d
		}
	}
	return dir
}

func below(dir, top string) bool { return dir == top || strings.HasPrefix(dir, top+"/") }

func (h *Host) startScope(name, slice, description string) (string, error) {
	conn, err := h.dial()
	if err != nil {
		return "", h.scopeError(err)
	}
	defer conn.Close()
	signals := make(chan *dbus.Signal, 64)
	conn.Signal(signals)
	properties := []property{
		{"Description", dbus.MakeVariant("hoy " + description)},
		{"Slice", dbus.MakeVariant(slice)},
		{"PIDs", dbus.MakeVariant([]uint32{uint32(os.Getpid())})},
		{"Delegate", dbus.MakeVariant(true)},
		{"CollectMode", dbus.MakeVariant("inactive-or-failed")}, // an OOM kill leaves no failed unit behind
		{"DefaultDependencies", dbus.MakeVariant(!h.o.Rootless)},
	}
	ctx, cancel := context.WithTimeout(context.Background(), scopeTimeout)
	defer cancel()
	var job dbus.ObjectPath
	manager := conn.Object("org.freedesktop.systemd1", "/org/freedesktop/systemd1")
	call := manager.CallWithContext(ctx, "org.freedesktop.systemd1.Manager.StartTransientUnit", 0, name, "fail", properties, []struct {
		Name       string
		Properties []property
	}{})
	if err := call.Store(&job); err != nil {
		return "", h.scopeError(err)
	}
	if err := waitJob(ctx, signals, job); err != nil {
		return "", h.scopeError(err)
	}
	dir := ownGroup()
	if filepath.Base(dir) != name {
		return "", h.scopeError(fmt.Errorf("systemd made %s, but hoy is in %s", name, dir))
	}
	return dir, nil
}

func (h *Host) scopeError(err error) error {
	e := &Error{What: "make a scope for the container's limits", err: err, Fix: or("see what systemctl status says")}
	if h.o.Rootless {
		e.Fix = or("see what systemctl --user status says")
	}
	return e
}

// dial connects to the service manager without a bus between. The authentication names the user as the manager sees it, not as a user namespace shows it.
func (h *Host) dial() (*dbus.Conn, error) {
	conn, err := dbus.Dial("unix:path=" + dbus.EscapeBusAddressValue(h.bus))
	if err != nil {
		return nil, err
	}
	if err := conn.Auth([]dbus.Auth{dbus.AuthExternal(strconv.Itoa(h.o.UID))}); err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// waitJob waits until systemd has done a job.
func waitJob(ctx context.Context, signals <-chan *dbus.Signal, job dbus.ObjectPath) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case s, ok := <-signals:
			if !ok {
				return errors.New("systemd hung up")
			}
			if s.Name != "org.freedesktop.systemd1.Manager.JobRemoved" || len(s.Body) < 4 || s.Body[1] != job {
				continue
			}
			if result, _ := s.Body[3].(string); result != "done" {
				return fmt.Errorf("systemd says %q", s.Body[3])
			}
			return nil
		}
	}
}

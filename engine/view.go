package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"codeberg.org/hoy/hoy/engine/monitor"
	"codeberg.org/hoy/hoy/oci"
	"codeberg.org/hoy/hoy/oci/child"
	"codeberg.org/hoy/hoy/oci/inroot"
	"codeberg.org/hoy/hoy/oci/runtime"
	"codeberg.org/hoy/hoy/oci/userns"
)

// View is a container's root, open to be read and written from outside: with its volumes and binds, as the container sees it.
type View struct {
	Root  inroot.Root // O_PATH
	IDs   *userns.Map // the files' owners as the container knows them (Inside) and as they are seen here (Outside); nil: the same
	close func()
}

// ErrStarted: a container at rest was started before its root could be opened, and now only a process outside of the user namespace can do that.
var ErrStarted = errors.New("container has been started")

// Close lets go of the root.
func (v *View) Close() { v.close() }

// RunningRoot opens the root of a running container (O_PATH); nil when it does not run. An ordinary user can do that only outside of the user
// namespace (ptrace(2), "Ptrace access mode checking").
func (e *Engine) RunningRoot(c *Container) (*os.File, error) {
	if !c.Running() {
		return nil, nil
	}
	pidfd, err := c.process.Open()
	if err != nil {
		return nil, fmt.Errorf("container %s: %w", c.Name(), err)
	}
	defer pidfd.Close()
	root, err := openRootOf(c.process.Pid)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ESRCH) {
		return nil, fmt.Errorf("container %s is not running%w", c.Name(), hidden{ErrNotRunning})
	}
	if err != nil {
		return nil, err
	}
	if unix.PidfdSendSignal(int(pidfd.Fd()), 0, nil, 0) == unix.ESRCH { // the pid may have become another process's
		root.Close()
		return nil, fmt.Errorf("container %s is not running%w", c.Name(), hidden{ErrNotRunning})
	}
	return root, nil
}

func openRootOf(pid int) (*os.File, error) {
	name := "/proc/" + strconv.Itoa(pid) + "/root"
	fd, err := unix.Open(name, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: name, Err: err}
	}
	return os.NewFile(uintptr(fd), name), nil
}

// View opens the root of a container. Of one that does not run it is mounted, with its volumes, by a child that takes the same steps as one that is
// started and then waits, until the view is closed; meanwhile the container cannot be started. root is what RunningRoot gave, or nil.
func (e *Engine) View(ctx context.Context, c *Container, root *os.File) (*View, error) {
	if err := c.usable(); err != nil {
		return nil, err
	}
	if root == nil {
		lock, running, err := e.restLock(ctx, c)
		switch {
		case err != nil:
			return nil, err
		case lock != nil:
			return e.mountedView(c, func() {
				monitor.RemoveRunDir(c.place)
				lock.Close()
			})
		case running.Restarting():
			return e.heldView(ctx, c)
		}
		root, err = e.RunningRoot(running)
		if errors.Is(err, os.ErrPermission) {
			return nil, fmt.Errorf("container %s has been started meanwhile%w", c.Name(), hidden{ErrStarted})
		}
		if err != nil {
			return nil, err
		}
	}
	return &View{inroot.Root(root.Fd()), c.Config.IDMap, func() { root.Close() }}, nil
}

// restLock takes the lock of a container at rest; of one that runs, or is kept to be started again, it takes none and gives the container as it is now. One that is just being
// started or removed is waited for.
func (e *Engine) restLock(ctx context.Context, c *Container) (lock *os.File, running *Container, err error) {
	for {
		lock, err := c.place.Lock()
		if err == nil {
			_, err = os.Lstat(c.place.File(monitor.ConfigFile))
			if err == nil {
				return lock, nil, nil
			}
			monitor.RemoveRunDir(c.place)
			lock.Close()
			return nil, nil, &refError{c.Name(), ErrNoContainer}
		}
		if !errors.Is(err, monitor.ErrLocked) {
			return nil, nil, err
		}
		now, err := e.load(c.ID())
		if err != nil || now.Running() || now.Restarting() {
			return nil, now, err
		}
		select { // what its holder does takes some milliseconds
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		}
	}
}

// heldView mounts the root of a container that waits to be started again, which goes on waiting meanwhile.
func (e *Engine) heldView(ctx context.Context, c *Container) (*View, error) {
	client, err := monitor.Dial(c.place, 0, monitor.Size{})
	if err == nil {
		held := false
		if held, err = client.Hold(); held {
			return e.mountedView(c, func() { client.Close() })
		}
		client.Close()
	}
	if err != nil && !errors.Is(err, monitor.ErrGone) {
		return nil, err
	}
	select { // it is being started, or its monitor was killed and another one comes
	case <-time.After(5 * time.Millisecond):
		return e.View(ctx, c, nil)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// mountedView mounts the root of a container that cannot be started until release is called, which the view does when it is closed.
func (e *Engine) mountedView(c *Container, release func()) (*View, error) {
	plan, err := e.viewPlan(c)
	if err == nil {
		var v *View
		if v, err = startView(plan); err == nil {
			v.IDs = c.shiftedIDs()
			unmount := v.close
			v.close = func() {
				unmount()
				release()
			}
			return v, nil
		}
	}
	release()
	return nil, err
}

// startView has a child make the root and wait.
func startView(plan *child.Plan) (*View, error) {
	p, err := runtime.Start(plan, runtime.StartOptions{KillWithParent: true})
	if err != nil {
		return nil, err
	}
	root, err := openRootOf(p.Pid)
	if err != nil {
		p.Kill()
		return nil, err
	}
	return &View{Root: inroot.Root(root.Fd()), close: func() {
		root.Close()
		p.Kill()
	}}, nil
}

// viewPlan is a plan that mounts the container's root and what the user mounts there, and nothing else. Its command is never executed.
func (e *Engine) viewPlan(c *Container) (*child.Plan, error) {
	if err := makeBindSources(c.Config.Mounts); err != nil {
		return nil, err
	}
	o, err := e.rootOptions(c)
	if err != nil {
		return nil, err
	}
	if o.Overlays, err = e.overlays(c, false); err != nil {
		return nil, err
	}
	var mounts []oci.Mount
	for _, m := range c.Config.Mounts {
		if m.Lasting() {
			m.Chown = false
			mounts = append(mounts, m)
		}
	}
	cfg := &oci.Config{Version: oci.ConfigVersion, ID: c.ID(), Cmd: []string{"/"}, Network: "host", Rootfs: c.Config.Rootfs, Mounts: mounts}
	spec, err := oci.Spec(cfg, o)
	if err != nil {
		return nil, err
	}
	full, err := oci.Plan(spec, o, cfg)
	if err != nil {
		return nil, err
	}
	plan := bareplan(full)
	plan.Rootfs.ReadOnly = c.Config.ReadOnly
	for _, m := range full.Mounts {
		if slices.ContainsFunc(mounts, func(own oci.Mount) bool { return own.Target == m.Target }) {
			plan.Mounts = append(plan.Mounts, m)
		}
	}
	return plan, nil
}

// bareplan is a plan with the root alone.
func bareplan(full *child.Plan) *child.Plan {
	return &child.Plan{
		Clone:       unix.CLONE_NEWNS,
		Propagation: full.Propagation,
		Rootfs:      full.Rootfs,
		Args:        []string{"/"},
		IDs:         &child.IDs{},
		Rootless:    full.Rootless,
	}
}

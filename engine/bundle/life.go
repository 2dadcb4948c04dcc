package bundle

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"syscall"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"codeberg.org/hoy/hoy/oci/runtime"
)

// Start lets the command of a created container run.
func (c *Container) Start() error {
	l, err := lock(c.dir, true)
	if err != nil {
		return gone(err)
	}
	defer l.Close()
	switch c.Status {
	case specs.StateCreated, specs.StateCreating: // by who has just freed the lock
	case specs.StateStopped:
		return ErrStopped
	default:
		return ErrStarted
	}
	spec, err := c.Spec()
	if err != nil {
		return err
	}
	state, err := c.hookState(specs.StateCreated)
	if err != nil {
		return err
	}
	conn, err := dial(path.Join(c.dir, socketFile))
	if errors.Is(err, unix.ECONNREFUSED) {
		if c.Process.Alive() {
			return ErrStarted
		}
		return ErrStopped
	}
	if err != nil {
		return err
	}
	defer conn.Close()
	agent, err := c.agent(spec)
	if err != nil {
		return err
	}
	defer agent.close()
	if err := runtime.Release(conn, state, agent.take); err != nil {
		return err
	}
	return c.started(spec)
}

// Kill sends a signal to the container's process, or with all to each of its processes.
func (c *Container) Kill(sig syscall.Signal, all bool) error {
	if c.Status == specs.StateStopped && !all {
		return ErrNotRunning
	}
	if !all {
		if err := c.Process.Signal(sig); err != nil {
			if errors.Is(err, unix.ESRCH) {
				return ErrNotRunning
			}
			return fmt.Errorf("unable to signal init: %w", err)
		}
	} else if err := c.killAll(sig); err != nil {
		return err
	}
	if sig == syscall.SIGKILL && c.Status == StatusPaused { // a frozen one gets it when it goes on
		return c.Group.Thaw()
	}
	return nil
}

// killAll signals every process of the container's groups. Who has none has a process only.
func (c *Container) killAll(sig syscall.Signal) error {
	if c.Group == nil {
		err := c.Process.Signal(sig)
		if errors.Is(err, unix.ESRCH) {
			return nil
		}
		return err
	}
	pids, err := c.Group.Pids()
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, pid := range pids {
		if killed := unix.Kill(pid, sig); killed != nil && killed != unix.ESRCH {
			err = errors.Join(err, fmt.Errorf("kill process %d: %w", pid, killed))
		}
	}
	return err
}

// patience is how long the process of a container that was killed may take to end.
const patience = 10 * time.Second

// Delete removes a container that has ended, or was never started. With force it ends it first.
func (c *Container) Delete(force bool) error {
	switch c.Status {
	case specs.StateStopped:
	case specs.StateCreated:
		force = true
	default:
		if !force {
			return fmt.Errorf("cannot delete container %s that is not stopped: %s", c.ID, c.Status)
		}
	}
	if force && c.Status != specs.StateStopped {
		if err := c.end(); err != nil {
			return err
		}
	}
	l, err := lock(c.dir, true)
	if err != nil {
		return gone(err)
	}
	defer l.Close()
	return c.remove()
}

// end kills the container, and waits until its process is gone.
func (c *Container) end() error {
	pidfd, err := c.Process.Open()
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return err
	}
	defer pidfd.Close()
	if err := c.Kill(syscall.SIGKILL, false); err != nil && !errors.Is(err, ErrNotRunning) {
		return err
	}
	poll := []unix.PollFd{{Fd: int32(pidfd.Fd()), Events: unix.POLLIN}}
	for {
		n, err := unix.Poll(poll, int(patience.Milliseconds()))
		switch {
		case err == unix.EINTR:
		case err != nil:
			return err
		case n == 0:
			return fmt.Errorf("container init still running after %s", patience)
		default:
			return nil
		}
	}
}

// remove removes what there is of a container that has ended. Its hooks run when nothing of it is left but its directory.
func (c *Container) remove() error {
	if err := errors.Join(c.Group.Remove(), c.unmount()); err != nil {
		return err
	}
	spec, err := c.Spec()
	if err == nil {
		err = c.stopped(spec)
	}
	if err != nil {
		c.r.Warn(err)
	}
	return os.RemoveAll(c.dir)
}

// unmount takes off what a container without a mount namespace of its own had mounted on the host.
func (c *Container) unmount() error {
	for c.Beneath != 0 {
		at, err := mountOf(c.Rootfs)
		if err != nil || at == c.Beneath {
			return err
		}
		if err := unix.Unmount(c.Rootfs, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW); err != nil {
			return fmt.Errorf("unmount %s: %w", c.Rootfs, err)
		}
	}
	return nil
}

// mountOf is the number of the mount that a directory is in.
func mountOf(dir string) (uint64, error) {
	var st unix.Statx_t
	if err := unix.Statx(unix.AT_FDCWD, dir, 0, unix.STATX_MNT_ID, &st); err != nil {
		return 0, fmt.Errorf("statx %s: %w", dir, err)
	}
	if st.Mask&unix.STATX_MNT_ID == 0 {
		return 0, errors.New("a specification without a mount namespace needs Linux 5.8")
	}
	return st.Mnt_id, nil
}

// gone makes a directory that went away meanwhile the container that does not exist.
func gone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return ErrNotExist
	}
	return err
}

// Clean removes what a creator left that was killed before there was a state.
func (r *Runtime) Clean(id string) error {
	dir, err := r.dir(id)
	if err != nil {
		return err
	}
	l, err := lock(dir, false)
	if err != nil {
		return gone(err)
	}
	defer l.Close()
	return os.RemoveAll(dir)
}

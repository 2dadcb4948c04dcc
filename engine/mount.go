package engine

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"codeberg.org/hoy/hoy/engine/monitor"
	"codeberg.org/hoy/hoy/oci/child"
)

// Mounted is a container's root that `mount` shows on the host.
type Mounted struct {
	ID   string // of the container, which may be gone
	Path string
}

// Mount mounts the container's root, without what is mounted in it, on a directory of the host's, and gives that. It stays there until Unmount,
// over starts and ends of the container. One that is mounted already stays as it is.
func (e *Engine) Mount(ctx context.Context, c *Container) (string, error) {
	if err := c.usable(); err != nil {
		return "", err
	}
	if e.o.Outside {
		return "", ErrNeedsUserns
	}
	if c.Config.IDMap != nil {
		return "", fmt.Errorf("container %s has a user namespace of its own: its root cannot be mounted on the host", c.Name())
	}
	dir := c.place.MountPoint()
	if isMounted(dir) {
		return dir, nil
	}
	root, err := e.detachedRoot(ctx, c)
	if err != nil {
		return "", e.orGone(c, err)
	}
	defer root.Close()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	const flags = unix.MOVE_MOUNT_F_EMPTY_PATH
	if err := unix.MoveMount(int(root.Fd()), "", unix.AT_FDCWD, dir, flags); err != nil {
		os.Remove(dir)
		return "", fmt.Errorf("mount %s: %w", dir, err)
	}
	return dir, nil
}

// detachedRoot is the container's root as a mount that is nowhere yet: of one that runs a copy of what it has, of another a new one.
func (e *Engine) detachedRoot(ctx context.Context, c *Container) (*os.File, error) {
	lock, now, err := e.restLock(ctx, c)
	if err != nil {
		return nil, err
	}
	if now != nil && !now.Running() {
		return nil, now.errRestarting()
	}
	if now != nil {
		return cloneRoot(now.State.Pid)
	}
	defer func() {
		monitor.RemoveRunDir(c.place)
		lock.Close()
	}()
	if c.Config.Rootfs != "" && !c.Config.RootfsOverlay {
		return cloneTree(c.Config.Rootfs)
	}
	l, err := e.layers(c)
	if err != nil {
		return nil, err
	}
	plan := &child.Plan{Rootfs: child.Rootfs{
		Lower: l.dirs, Data: l.data, Upper: c.Upper(), Work: c.place.File(monitor.WorkDir), Volatile: c.Config.AutoRemove,
	}}
	fd, err := child.PrepareRootfs(plan, nil)
	if err == nil && fd < 0 {
		err = errors.New("the kernel cannot mount it without attaching it: Linux 6.7 can")
	}
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), "root"), nil
}

func cloneTree(path string) (*os.File, error) {
	fd, err := unix.OpenTree(unix.AT_FDCWD, path, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return os.NewFile(uintptr(fd), path), nil
}

// cloneRoot copies the mount that is the root of a process in another mount namespace. The kernel copies only what is in the caller's: a
// thread goes there, where it opens nothing but "/", and ends.
func cloneRoot(pid int) (root *os.File, err error) {
	ns, err := os.Open("/proc/" + strconv.Itoa(pid) + "/ns/mnt")
	if err != nil {
		return nil, err
	}
	defer ns.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // for good: the thread is not to be used again
		if err = unix.Unshare(unix.CLONE_FS); err != nil {
			return
		}
		if err = unix.Setns(int(ns.Fd()), unix.CLONE_NEWNS); err != nil {
			if err == unix.EPERM {
				err = errors.New("it was started in another user namespace: stop it, or use 'hoy cp' and 'hoy exec'")
			}
			return
		}
		root, err = cloneTree("/")
	}()
	<-done
	return root, err
}

// Unmount takes a container's root off the host again; false where it was not mounted. With force it goes when its last user does.
func (e *Engine) Unmount(id string, force bool) (bool, error) {
	dir := e.place(id).MountPoint()
	if !isMounted(dir) {
		return false, nil
	}
	flags := unix.UMOUNT_NOFOLLOW
	if force {
		flags |= unix.MNT_DETACH
	}
	if err := unix.Unmount(dir, flags); err != nil {
		return false, fmt.Errorf("unmount %s: %w", dir, err)
	}
	return true, os.Remove(dir)
}

// Mounts are the roots that are mounted on the host.
func (e *Engine) Mounts() ([]Mounted, error) {
	entries, err := os.ReadDir(filepath.Dir(e.place("x").MountPoint()))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	var list []Mounted
	for _, entry := range entries {
		if dir := e.place(entry.Name()).MountPoint(); isID(entry.Name()) && isMounted(dir) {
			list = append(list, Mounted{entry.Name(), dir})
		}
	}
	return list, err
}

// isMounted says whether something is mounted on a directory.
func isMounted(dir string) bool {
	if _, err := os.Lstat(dir); err != nil { // as nearly always: then there is no need to read a long list
		return false
	}
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return false
	}
	defer f.Close()
	escaped := strings.NewReplacer(" ", `\040`, "\t", `\011`, "\n", `\012`, `\`, `\134`).Replace(dir) // proc_pid_mountinfo(5)
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if fields := strings.Fields(lines.Text()); len(fields) > 4 && fields[4] == escaped {
			return true
		}
	}
	return false
}

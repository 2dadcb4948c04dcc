package child

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// strangersRoot makes the root of a container with a user namespace of its own, ns.
func strangersRoot(p *Plan, ns *os.File) (mounted, error) {
	if p.Rootfs.Mapped {
		return mappedRoot(p, ns)
	}
	return anyRoot(p.Rootfs)
}

// anyRoot makes a root of any kind as a detached mount.
func anyRoot(r Rootfs) (mounted, error) {
	switch {
	case len(r.Lower) == 0:
		return bindRoot(r.Bind, 0)
	case len(r.Lower) == 1 && r.Upper == "" && len(r.Data) == 0:
		return bindRoot(r.Lower[0], unix.MOUNT_ATTR_RDONLY)
	}
	inside, err := selfInUserns()
	if err != nil {
		return mounted{}, err
	}
	return overlay(r, inside)
}

// mappedRoot makes the root of directories that are shown with other owners: what is on disk stays as it is, and what the container writes gets the
// owners there that it would have without the namespace. Overlay takes its layers from mounts with the map (Linux 5.19), which since Linux 6.15 need not be
// attached. Before, the directory above them all is mounted over itself for a moment, on one thread and in a mount namespace of its own.
func mappedRoot(p *Plan, ns *os.File) (m mounted, err error) {
	onThread(func() {
		if m, err = detachedRoot(p, ns); err != nil {
			m, err = attachedRoot(p, ns)
		}
	})
	return m, err
}

// attachedRoot is mappedRoot with a mount in this thread's mount namespace.
func attachedRoot(p *Plan, ns *os.File) (mounted, error) {
	if err := p.actFor(p.Rootfs, ns); err != nil {
		return mounted{}, err
	}
	return anyRoot(p.Rootfs)
}

// detachedRoot is mappedRoot with a mount that is nowhere in the tree.
func detachedRoot(p *Plan, ns *os.File) (mounted, error) {
	dir := above(p.Rootfs)
	tree, err := mappedTree(dir, ns)
	if err != nil {
		return mounted{}, err
	}
	defer release(tree)
	if err := actAs(p); err != nil {
		return mounted{}, err
	}
	return anyRoot(p.Rootfs.moved(dir, "/proc/self/fd/"+strconv.Itoa(tree)))
}

// release lets go of a detached mount. The kernel waits for all CPUs before it takes it away, and nobody need wait with it.
func release(mount int) { go unix.Close(mount) }

// moved are the directories of a root, which are all in from, as they are called below to.
func (r Rootfs) moved(from, to string) Rootfs {
	one := []string{r.Upper, r.Work, r.Bind}
	for _, list := range []*[]string{&r.Lower, &r.Data, &one} {
		moved := make([]string, len(*list))
		for i, name := range *list {
			if name != "" {
				moved[i] = to + strings.TrimPrefix(name, strings.TrimSuffix(from, "/"))
			}
		}
		*list = moved
	}
	r.Upper, r.Work, r.Bind = one[0], one[1], one[2]
	return r
}

// actFor lets this thread make an overlay, or a bind, as the container's root sees it.
func (p *Plan) actFor(r Rootfs, ns *os.File) error {
	if err := privateMounts(); err != nil || !p.Rootfs.Mapped {
		return err
	}
	if err := mapTree(r, ns); err != nil {
		return err
	}
	return actAs(p)
}

// onThread runs f on a thread that ends with it, and its namespaces with it. The process's first thread never ends (the runtime parks it), so it
// waits meanwhile, that f may not come to it.
func onThread(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		if unix.Gettid() != unix.Getpid() {
			f()
			return
		}
		onThread(f)
		runtime.UnlockOSThread()
	}()
	<-done
}

// privateMounts gives this thread a mount namespace of its own.
func privateMounts() error {
	if err := unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS); err != nil {
		return at("mount namespace", err)
	}
	return at("/", unix.Mount("", "/", "", unix.MS_PRIVATE|unix.MS_REC, ""))
}

// mapTree shows the root's directories with the map of ns, in this thread's mount namespace.
func mapTree(r Rootfs, ns *os.File) error {
	dir := above(r)
	tree, err := mappedTree(dir, ns)
	if err != nil {
		return err
	}
	defer unix.Close(tree)
	return at(dir, unix.MoveMount(tree, "", unix.AT_FDCWD, dir, unix.MOVE_MOUNT_F_EMPTY_PATH))
}

// mappedTree gives a detached copy of what is mounted at a directory and below it, shown with the map of ns.
func mappedTree(dir string, ns *os.File) (int, error) {
	m, err := openTree(unix.AT_FDCWD, dir, true)
	if err != nil {
		return -1, at(dir, err)
	}
	if err := mapTo(m.fd, unix.AT_RECURSIVE, int(ns.Fd())); err != nil {
		unix.Close(m.fd)
		return -1, because(dir, idmapHint(err), err)
	}
	return m.fd, nil
}

// actAs gives this thread the container's root as the owner of the files that it makes, and all its capabilities back: overlay makes its own
// files as who mounts it, and an id without a counterpart on disk can own nothing (EOVERFLOW).
func actAs(p *Plan) error {
	uid, _ := p.Userns.Map.UID(0)
	gid, _ := p.Userns.Map.GID(0)
	return at("user", SetFSIDs(int(uid), int(gid)))
}

// SetFSIDs makes the ids those that this thread's new files belong to (setfsuid(2)). What it may do stays.
func SetFSIDs(uid, gid int) error {
	if err := errors.Join(unix.Setfsgid(gid), unix.Setfsuid(uid)); err != nil {
		return err
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return fmt.Errorf("capget: %w", err)
	}
	for i := range data {
		data[i].Effective = data[i].Permitted
	}
	return unix.Capset(&header, &data[0])
}

// above is the directory that all directories of a root are in.
func above(r Rootfs) string {
	if len(r.Lower) == 0 {
		return r.Bind
	}
	dir := r.Lower[0]
	for _, other := range append(append(r.Lower[1:len(r.Lower):len(r.Lower)], r.Data...), r.Upper, r.Work) {
		for other != "" && other != dir && !strings.HasPrefix(other, strings.TrimSuffix(dir, "/")+"/") {
			dir = dir[:max(strings.LastIndexByte(dir, '/'), 1)]
		}
	}
	return dir
}

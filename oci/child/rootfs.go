package child

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// maxLayers is how many lower directories the kernel's overlay takes (OVL_MAX_STACK).
const maxLayers = 500

// PrepareRootfs makes an overlay root as a detached mount, for the child that it is sent to. It is in no mount namespace, so a crash leaves no
// mount on the host. The parent calls it, because it takes as long as the child needs to begin. It gives -1 for what
// is made in the child's mount namespace only: a bind, and an overlay on a kernel without the means to detach it.
//
// With a user namespace of the container's own, ns, the child is a stranger to the directories, so all is made here.
func PrepareRootfs(p *Plan, ns *os.File) (int, error) {
	r := p.Rootfs
	if ns != nil {
		m, err := strangersRoot(p, ns)
		if err != nil {
			return -1, AsStep("rootfs", err)
		}
		return m.fd, nil
	}
	if len(r.Lower) == 0 || len(r.Lower) == 1 && r.Upper == "" && len(r.Data) == 0 {
		return -1, nil
	}
	userns, err := selfInUserns()
	if err != nil {
		return -1, AsStep("rootfs", err)
	}
	m, err := overlay(r, userns)
	if refused(err, "lowerdir+") || userns && errors.Is(err, unix.EPERM) { // of a mount namespace that is not the user namespace's (unshare -Ur)
		return -1, nil
	}
	if err != nil {
		return -1, AsStep("rootfs", err)
	}
	return m.fd, nil
}

// makeRootfs makes the container's root, when the parent has not. It comes after isolate, so that no mount gets out.
func makeRootfs(b *birth) (err error) {
	r := b.plan.Rootfs
	switch {
	case b.rootfs.fd >= 0:
	case len(r.Lower) == 0:
		b.rootfs, err = bindRoot(r.Bind, 0)
	case len(r.Lower) == 1 && r.Upper == "": // an overlay needs two directories
		b.rootfs, err = bindRoot(r.Lower[0], unix.MOUNT_ATTR_RDONLY)
	default:
		b.rootfs, err = overlayByNumbers(r, overlayOptions(r, b.userns))
		err = explainOverlay(err)
	}
	return err
}

func bindRoot(dir string, attrs uint64) (mounted, error) {
	m, err := openTree(unix.AT_FDCWD, dir, true)
	if err != nil {
		return m, at(dir, err)
	}
	if !m.dir {
		return m, at(dir, unix.ENOTDIR)
	}
	// Private, so that what the container mounts does not show up in the directory on the host.
	err = setAttrs(m.fd, unix.AT_RECURSIVE, &unix.MountAttr{Attr_set: attrs, Propagation: unix.MS_PRIVATE})
	return m, at(dir, err)
}

// overlay mounts the layers under the upper directory.
func overlay(r Rootfs, userns bool) (mounted, error) {
	if len(r.Lower) > maxLayers {
		return mounted{}, fmt.Errorf("the image has %d layers; the kernel mounts %d at most", len(r.Lower), maxLayers)
	}
	if r.Volatile && r.Upper != "" {
		forgetVolatile(r.Work)
	}
	m, err := overlayByLayers(r, overlayOptions(r, userns))
	if refused(err, "lowerdir+") { // not known before Linux 6.7
		return m, err
	}
	return m, explainOverlay(err)
}

func explainOverlay(err error) error {
	if err == nil {
		return nil
	}
	e := AsStep("", err)
	if e.Text == "" {
		e.Text = overlayHint(e.Errno)
	}
	return at("overlay", e)
}

// overlayOptions are Docker's: a layer must mean the same on its own as it does here, so nothing may be recorded in it that points into other layers
// (redirect_dir, metacopy), and an upper directory may come back under other layers (index).
func overlayOptions(r Rootfs, userns bool) []option {
	o := []option{{"index", "off"}}
	if userns { // trusted.* attributes belong to the host's root; userxattr switches the other two off by itself
		o = append(o, option{"userxattr", ""})
	} else {
		o = append(o, option{"metacopy", "off"}, option{"redirect_dir", "off"})
	}
	if r.Volatile && r.Upper != "" {
		o = append(o, option{"volatile", ""})
	}
	return o
}

// overlayByLayers gives the kernel one layer after the other, of which there can be maxLayers. An option is at most 255 bytes long, so
// longer paths are opened and named by their descriptor.
func overlayByLayers(r Rootfs, options []option) (mounted, error) {
	var paths shortPaths
	defer paths.close()
	var all []option
	for _, l := range r.Lower {
		all = append(all, option{"lowerdir+", paths.name(l)})
	}
	for _, d := range r.Data {
		all = append(all, option{"datadir+", paths.name(d)})
	}
	if r.Upper != "" {
		all = append(all, option{"upperdir", paths.name(r.Upper)}, option{"workdir", paths.name(r.Work)})
	}
	if paths.err != nil {
		return mounted{}, paths.err
	}
	return newMount("overlay", append(all, options...), 0)
}

// shortPaths names directories so that each fits into one mount option and holds no character that overlay takes apart.
type shortPaths struct {
	fds []int
	err error
}

func (s *shortPaths) name(path string) string {
	const longest = 255
	if len(path) <= longest && !strings.ContainsAny(path, `\:,`) {
		return path
	}
	return "/proc/self/fd/" + s.number(path)
}

// number opens a path and gives its descriptor's number.
func (s *shortPaths) number(path string) string {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		if s.err == nil {
			s.err = at(path, err)
		}
		return ""
	}
	s.fds = append(s.fds, fd)
	return strconv.Itoa(fd)
}

func (s *shortPaths) close() {
	for _, fd := range s.fds {
		unix.Close(fd)
	}
}

// overlayByNumbers mounts by mount(2), whose options fit into a page: in the directory /proc/self/fd the names of open layers are their
// numbers, so that maxLayers of them fit. There the mount is attached at once, over the first layer: nobody but this namespace sees it.
func overlayByNumbers(r Rootfs, options []option) (mounted, error) {
	var paths shortPaths
	defer paths.close()
	lower := make([]string, len(r.Lower))
	for i, l := range r.Lower {
		lower[i] = paths.number(l)
	}
	data := []string{"lowerdir=" + strings.Join(lower, ":")}
	if r.Upper != "" {
		data = append(data, "upperdir="+paths.number(r.Upper), "workdir="+paths.number(r.Work))
	}
	for _, o := range options {
		data = append(data, o.String())
	}
	if paths.err != nil {
		return mounted{}, paths.err
	}
	if err := unix.Chdir("/proc/self/fd"); err != nil { // pivot_root moves on
		return mounted{}, at("/proc/self/fd", err)
	}
	if err := unix.Mount("overlay", r.Lower[0], "overlay", 0, strings.Join(data, ",")); err != nil {
		return mounted{}, err
	}
	fd, err := unix.Open(r.Lower[0], unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	return mounted{fd: fd, dir: true, attached: true}, err
}

// forgetVolatile removes the mark that a volatile overlay leaves in its work directory. The kernel refuses to mount the same directories
// again while it is there, because after a power cut they may be broken; what is mounted as volatile here does not outlive a boot.
func forgetVolatile(work string) {
	mark := work + "/work/incompat/volatile"
	if unix.Unlink(mark+"/dirty") == nil {
		_ = unix.Rmdir(mark)
		_ = unix.Rmdir(work + "/work/incompat")
	}
}

func overlayHint(errno syscall.Errno) string {
	switch errno {
	case unix.EPERM:
		return "a user namespace needs Linux 5.11 or newer for it"
	case unix.ENODEV:
		return "the kernel has no overlay file system (modprobe overlay)"
	case unix.EINVAL:
		return "the file system below cannot carry an upper directory (it is an overlay itself, or has no user.* attributes)"
	}
	return ""
}

// pivotRoot makes the new root "/" and drops the host's mounts. It comes after everything of the host was opened, and before anything in
// the container is touched: from here on no path, link or ".." of an image can lead to the host, because the host is not
// there (CVE-2026-41579, CVE-2019-18837). The new root is mounted on the old, so that no directory of the host's is needed; the old one
// ends up on top of it and is taken off (pivot_root(2), "pivot_root(".", ".")").
func pivotRoot(b *birth) error {
	if !b.rootfs.attached {
		const flags = unix.MOVE_MOUNT_F_EMPTY_PATH
		if err := unix.MoveMount(b.rootfs.fd, "", unix.AT_FDCWD, "/", flags); err != nil {
			return at("/", err)
		}
	}
	if err := unix.Fchdir(b.rootfs.fd); err != nil {
		return at("/", err)
	}
	if err := b.changeRoot(); err != nil {
		return err
	}
	if err := unix.Chdir("/"); err != nil {
		return at("/", err)
	}
	fd, err := unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return at("/", err)
	}
	unix.Close(b.rootfs.fd)
	b.root = rootOf(fd)
	return nil
}

// changeRoot makes the working directory "/". With NoPivot the host's mounts stay below it, where only who may call chroot(2) comes to.
func (b *birth) changeRoot() error {
	if b.plan.HostMounts {
		return at("/", unix.Chroot("."))
	}
	if b.plan.NoPivot {
		if b.rootfs.attached { // by attachRootfs, where it was
			if err := unix.Mount(".", "/", "", unix.MS_MOVE, ""); err != nil {
				return at("/", err)
			}
		}
		return at("/", unix.Chroot("."))
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		if err == unix.EINVAL {
			return because("", "the host's root is the initial ramfs, which cannot be left", err)
		}
		return at("/", err)
	}
	return at("/", unix.Unmount(".", unix.MNT_DETACH))
}

// attachRootfs mounts the new root where it is on the host, or in the bundle, in this mount namespace only. It comes after isolate.
func attachRootfs(b *birth) error {
	dir := b.plan.Rootfs.Bind
	if h := &b.plan.Hooks; h.Bundle != "" {
		dir = h.Root()
		if err := h.showBundle(); err != nil {
			return at(h.Bundle, err)
		}
	}
	target, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return at(dir, err)
	}
	defer unix.Close(target)
	if err := attach(b.rootfs, target); err != nil {
		return at(dir, err)
	}
	b.rootfs.attached = true
	b.root = rootOf(b.rootfs.fd)
	// What is mounted on a shared mount is shared itself.
	return at(dir, setAttrs(b.rootfs.fd, 0, &unix.MountAttr{Propagation: unix.MS_PRIVATE}))
}

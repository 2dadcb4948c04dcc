package child

import (
	"errors"

	"golang.org/x/sys/unix"
)

// maskPaths hides what of procfs and sysfs tells of the host or harms it: files under the null device, directories under one empty, read-only
// tmpfs that all of them share. It comes after the mounts that put these paths there, after sysctls, and after the devices, because the
// null device is the container's own. That one is looked at before it is used: an image or volume could have put a link to a file of procfs
// there, which would then be writable (CVE-2025-31133).
func maskPaths(b *birth) error {
	m := masker{b: b, null: -1, empty: -1}
	defer m.close()
	for _, p := range b.plan.Masked {
		if err := m.mask(p); err != nil {
			return at(p, err)
		}
	}
	return nil
}

// masker holds the two things that hide others.
type masker struct {
	b           *birth
	null, empty int // open, attached mounts; -1 until they are needed
}

func (m *masker) close() {
	for _, fd := range []int{m.null, m.empty} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
}

func (m *masker) mask(path string) error {
	root, path := m.b.within(path)
	target, err := root.Open(path, unix.O_PATH)
	if err == unix.ENOENT || err == unix.ENOTDIR {
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(target)
	st, err := fstat(target)
	if err != nil {
		return err
	}
	if isDir(st) {
		return m.maskDir(target)
	}
	return m.maskFile(target)
}

func (m *masker) maskDir(target int) error {
	if m.empty >= 0 {
		return attachCopy(m.empty, target)
	}
	const attrs = unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOEXEC
	empty, err := newMount("tmpfs", []option{{"nr_inodes", "1"}, {"mode", "0555"}}, attrs)
	if err != nil {
		return err
	}
	m.empty = empty.fd
	return attach(empty, target)
}

func (m *masker) maskFile(target int) error {
	if m.null < 0 {
		null, err := m.b.openNull()
		if err != nil {
			return at("/dev/null", err)
		}
		m.null = null
	}
	return attachCopy(m.null, target)
}

func (b *birth) openNull() (int, error) {
	fd, err := b.root.OpenNoLinks("/dev/null", unix.O_PATH|unix.O_NOFOLLOW)
	if err != nil {
		return -1, err
	}
	st, err := fstat(fd)
	const nullMajor, nullMinor = 1, 3
	if err == nil && (st.Mode&unix.S_IFMT != unix.S_IFCHR || st.Rdev != unix.Mkdev(nullMajor, nullMinor)) {
		err = errors.New("not the null device")
	}
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// attachCopy mounts what is at one descriptor on another as well.
func attachCopy(source, target int) error {
	m, err := openTree(source, "", false)
	if err != nil {
		return err
	}
	defer unix.Close(m.fd)
	return attach(m, target)
}

// protectPaths makes paths read-only, and then the root when that is asked for, which gets its propagation too. It is the last change to the mounts: everything before it may need to
// write there. Each path is opened once, and its copy is made read-only before it is attached on the same descriptor, so that there is no
// moment between binding and remounting (GHSA-3q8j-pf29-vwv8).
func protectPaths(b *birth) error {
	for _, p := range b.plan.ReadOnly {
		if err := b.protect(p); err != nil {
			return at(p, err)
		}
	}
	root := unix.MountAttr{Propagation: uint64(b.plan.Propagation &^ (unix.MS_REC | unix.MS_PRIVATE))}
	if b.plan.Rootfs.ReadOnly {
		root.Attr_set = unix.MOUNT_ATTR_RDONLY
	}
	if root == (unix.MountAttr{}) {
		return nil
	}
	return at("/", setAttrs(int(b.root), 0, &root))
}

func (b *birth) protect(path string) error {
	root, path := b.within(path)
	target, err := root.Open(path, unix.O_PATH)
	if err == unix.ENOENT || err == unix.ENOTDIR {
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(target)
	readOnly := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}
	if isMountRoot(target) {
		return setAttrs(target, unix.AT_RECURSIVE, &readOnly)
	}
	m, err := openTree(target, "", true)
	if err != nil {
		return err
	}
	defer unix.Close(m.fd)
	if err := setAttrs(m.fd, unix.AT_RECURSIVE, &readOnly); err != nil {
		return err
	}
	return attach(m, target)
}

// isMountRoot says whether something is mounted where fd is: then that mount can be made read-only as it is.
func isMountRoot(fd int) bool {
	var st unix.Statx_t
	err := unix.Statx(fd, "", unix.AT_EMPTY_PATH, 0, &st)
	return err == nil && st.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0
}

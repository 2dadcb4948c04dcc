package child

import (
	"fmt"
	"path"
	"slices"

	"codeberg.org/hoy/hoy/oci/inroot"
	"codeberg.org/hoy/hoy/oci/userns"
	"golang.org/x/sys/unix"
)

// openSources opens everything of the host that the container will see: bind sources, device nodes, the copy of hoy for --init.
// It makes new procfs and sysfs mounts too, because in a user namespace the kernel allows these only while the host's own are in
// sight (mount_too_revealing). It comes before pivot_root, after which the host cannot be reached; nothing is attached yet.
func openSources(b *birth) error {
	b.mounts = make([]mounted, len(b.plan.Mounts))
	for i := range b.plan.Mounts {
		m := &b.plan.Mounts[i]
		got, err := b.source(i, m)
		if err != nil {
			if !m.Optional {
				return at(m.Target, err)
			}
			got = mounted{skipped: true}
		}
		b.mounts[i] = got
	}
	if b.plan.Init {
		fd, err := unix.Open("/proc/self/exe", unix.O_PATH|unix.O_CLOEXEC, 0)
		if err != nil {
			return at("/proc/self/exe", err)
		}
		b.self = fd
	}
	return b.openDevices()
}

func (b *birth) source(i int, m *Mount) (mounted, error) {
	if b.plan.given(m) {
		return b.takeSource(i), nil
	}
	return b.openSource(m)
}

func (b *birth) openSource(m *Mount) (mounted, error) {
	switch {
	case m.Layers != nil:
		return b.openLayers(m)
	case m.Shared != "":
		return b.openShared(m)
	}
	switch m.Type {
	case "", "bind":
		return b.openBind(m)
	case "sysfs":
		got, err := newMount("sysfs", optionsOf(m), int(m.Flags))
		if err == unix.EPERM {
			// The network namespace is not ours to show; the host's sysfs shows the same one.
			return b.openBind(&Mount{Source: "/sys", Flags: m.Flags, Recursive: true})
		}
		return got, err
	case "proc":
		got, err := newMount("proc", optionsOf(m), int(m.Flags))
		if err == unix.EPERM && !b.ownPids() { // only the owner of a pid namespace may show it anew
			return b.openBind(&Mount{Source: "/proc", Flags: m.Flags, Recursive: true})
		}
		if err == unix.EPERM {
			err = because("", "the host's own /proc is partly hidden, so none can be made in a user namespace", err)
		}
		return got, err
	case "devpts":
		return newDevpts(m, b.labelled(optionsOf(m)))
	}
	return b.newFileSystem(m)
}

func (b *birth) newFileSystem(m *Mount) (mounted, error) {
	options := optionsOf(m)
	if m.Type == "tmpfs" {
		options = b.labelled(options)
	}
	got, err := newMount(m.Type, options, int(m.Flags))
	if err == unix.ENODEV {
		err = because("", "the kernel has no file system "+m.Type, err)
	}
	return got, err
}

// labelled adds the SELinux context.
func (b *birth) labelled(options []option) []option {
	if b.plan.MountLabel == "" {
		return options
	}
	return append(options, option{"context", b.plan.MountLabel})
}

// ownPids says whether the container has a pid namespace of its own, or another container's.
func (b *birth) ownPids() bool {
	joins := slices.ContainsFunc(b.plan.Join, func(j NamespaceJoin) bool { return j.Type == unix.CLONE_NEWPID })
	return joins || b.plan.Clone&unix.CLONE_NEWPID != 0
}

// newDevpts mounts the container's own terminals. Where the group that they should belong to (5, tty) has no id in this user namespace, they belong
// to who opens them.
func newDevpts(m *Mount, options []option) (mounted, error) {
	got, err := newMount("devpts", options, int(m.Flags))
	if !refused(err, "gid") {
		return got, err
	}
	var without []option
	for _, o := range options {
		if o.key != "gid" {
			without = append(without, o)
		}
	}
	return newMount("devpts", without, int(m.Flags))
}

// openBind makes a detached copy of a mount of the host's. What is below a volume or a directory by Subpath is opened in-root, so that a
// link in the volume cannot choose another source (CVE-2023-0778).
func (b *birth) openBind(m *Mount) (mounted, error) {
	got, err := openSourceTree(m)
	if err != nil {
		return got, because(m.Source, "bind source", err)
	}
	if m.File && got.dir {
		return got, because(m.Source, "bind source", unix.EISDIR)
	}
	if m.CopyUp && got.dir && m.Subpath == "" {
		if got.volume, err = b.openVolume(m); err != nil {
			return got, err
		}
	}
	if err := b.mapIDs(m, got.fd); err != nil {
		return got, err
	}
	attr := unix.MountAttr{Attr_set: uint64(m.earlyFlags()), Attr_clr: uint64(m.Clear), Propagation: uint64(m.Propagation &^ unix.MS_REC)}
	if m.Flags&unix.MOUNT_ATTR__ATIME != 0 { // these bits are one number
		attr.Attr_clr |= unix.MOUNT_ATTR__ATIME
	}
	if m.Propagation == 0 && b.plan.Propagation != 0 {
		attr.Propagation = unix.MS_PRIVATE // what is shared on the host stays so only when asked for
	}
	if attr == (unix.MountAttr{}) {
		return got, nil
	}
	return got, b.setBindAttrs(m, got.fd, &attr)
}

func (b *birth) setBindAttrs(m *Mount, fd int, attr *unix.MountAttr) error {
	flags := uint(0)
	if m.Recursive && !m.TopOnly {
		flags = unix.AT_RECURSIVE
	}
	err := setAttrs(fd, flags, attr)
	if err == unix.EPERM {
		return because(m.Source, "the host locks the options of a mount below it; only its owner can change them", err)
	}
	return err
}

// openSourceTree makes a detached copy of the mount that a bind is of.
func openSourceTree(m *Mount) (mounted, error) {
	if m.Of == "" {
		return openTreeIn(m.Source, m.Subpath, m.Recursive)
	}
	f, err := userns.MountOf(m.Of, m.Source)
	if err != nil {
		return mounted{}, err
	}
	defer f.Close()
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return mounted{}, err
	}
	st, err := fstat(fd)
	return mounted{fd: fd, dir: isDir(st)}, err
}

func openTreeIn(source, subpath string, recursive bool) (mounted, error) {
	if subpath == "" {
		return openTree(unix.AT_FDCWD, source, recursive)
	}
	top, err := unix.Open(source, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return mounted{}, err
	}
	defer unix.Close(top)
	fd, err := inroot.Root(top).Open(subpath, unix.O_PATH)
	if err != nil {
		return mounted{}, at(path.Join(source, subpath), err)
	}
	defer unix.Close(fd)
	return openTree(fd, "", recursive)
}

// openDevices opens the host's nodes for Plan.Devices where none can be made: in a user namespace mknod(2) gives nodes that cannot be opened, and
// another engine's container may not have CAP_MKNOD.
func (b *birth) openDevices() error {
	if !b.userns && !b.plan.Rootless && mayMknod() {
		return nil
	}
	b.devices = make([]int, len(b.plan.Devices))
	for i, d := range b.plan.Devices {
		source := d.Source
		if source == "" {
			source = d.Path
		}
		m, err := openTree(unix.AT_FDCWD, source, false)
		if err != nil {
			return at(source, err)
		}
		st, err := fstat(m.fd)
		if err != nil {
			return at(source, err)
		}
		if err := isDevice(st, d); err != nil {
			return at(source, err)
		}
		b.devices[i] = m.fd
	}
	return nil
}

func mayMknod() bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	return unix.Capget(&header, &data[0]) == nil && data[0].Effective&(1<<unix.CAP_MKNOD) != 0
}

// isDevice says what is wrong when a file is not the device it should be. FIFOs have no number.
func isDevice(st unix.Stat_t, d Device) error {
	if st.Mode&unix.S_IFMT != deviceType(d) {
		return fmt.Errorf("not a device of type %q", d.Type)
	}
	if d.Type != "p" && st.Rdev != unix.Mkdev(d.Major, d.Minor) {
		return fmt.Errorf("device %d:%d, want %d:%d", unix.Major(st.Rdev), unix.Minor(st.Rdev), d.Major, d.Minor)
	}
	return nil
}

func deviceType(d Device) uint32 {
	switch d.Type {
	case "b":
		return unix.S_IFBLK
	case "p":
		return unix.S_IFIFO
	}
	return unix.S_IFCHR // "c" and "u"
}

package child

import (
	"codeberg.org/hoy/hoy/oci/inroot"
	"golang.org/x/sys/unix"
)

// openLayers makes the overlay of a mount: an image, or a directory that is left as it is.
func (b *birth) openLayers(m *Mount) (got mounted, err error) {
	r := *m.Layers
	if len(r.Lower) == 1 && r.Upper == "" { // an overlay needs two directories
		got, err = openTreeIn(r.Lower[0], m.Subpath, false)
	} else {
		got, err = b.openOverlay(r, m.Subpath)
	}
	if err != nil {
		return got, err
	}
	attr := unix.MountAttr{Attr_set: uint64(m.earlyFlags()), Propagation: unix.MS_PRIVATE}
	return got, setAttrs(got.fd, 0, &attr)
}

func (b *birth) openOverlay(r Rootfs, subpath string) (mounted, error) {
	got, err := overlay(r, b.userns)
	if refused(err, "lowerdir+") {
		return got, because("", "an image or overlay mount needs Linux 6.7", err)
	}
	if err != nil || subpath == "" {
		return got, err
	}
	// What is detached cannot be cloned in part. Where it is attached nobody else sees it, and pivot_root leaves it behind.
	if err := unix.MoveMount(got.fd, "", unix.AT_FDCWD, r.Lower[0], unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return got, at(r.Lower[0], err)
	}
	fd, err := inroot.Root(got.fd).Open(subpath, unix.O_PATH)
	if err != nil {
		return got, at(subpath, err)
	}
	defer unix.Close(fd)
	unix.Close(got.fd)
	return openTree(fd, "", false)
}

// earlyFlags are the attributes that a source gets when it is opened. One that is still to be written to becomes read-only later.
func (m *Mount) earlyFlags() uintptr {
	if m.Chown {
		return m.Flags &^ unix.MOUNT_ATTR_RDONLY
	}
	return m.Flags
}

// prepare changes what is to be mounted before it is: it fills a tmpfs, and gives a source to the container's user.
func (b *birth) prepare(m *Mount, source mounted) error {
	if m.CopyUp && m.Type == "tmpfs" {
		if err := b.fillTmpfs(m.Target, source.fd); err != nil {
			return because("", "copy from the image", err)
		}
	}
	if !m.Chown || b.plan.Userns != nil { // the parent has done it
		return nil
	}
	ids, _, err := Resolve(UserFiles{b.root, b.proc}, b.plan.User, nil)
	if err != nil {
		return err
	}
	if err := giveTree(source, ids); err != nil {
		return because("", "give to the container's user", err)
	}
	if m.Flags&unix.MOUNT_ATTR_RDONLY == 0 {
		return nil
	}
	return setAttrs(source.fd, 0, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY})
}

// fillTmpfs copies what the container has at target.
func (b *birth) fillTmpfs(target string, mount int) error {
	src, err := b.openDir(target)
	if err != nil || src < 0 {
		return err
	}
	defer unix.Close(src)
	dst, err := unix.Openat(mount, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(dst)
	c := copier{proc: b.proc, links: map[inode]int{}}
	defer c.close()
	return c.tree(src, dst)
}

// giveTree gives what is mounted, and all below it on the same mount, to a user. Links are not followed: they are given themselves.
func giveTree(m mounted, ids IDs) error {
	if err := give(m.fd, "", ids); err != nil || !m.dir {
		return err
	}
	dir, err := unix.Openat(m.fd, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	return giveEntries(dir, ids)
}

func giveEntries(dir int, ids IDs) error {
	names, err := list(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := give(dir, name, ids); err != nil {
			return at(name, err)
		}
		below, err := open(dir, name, unix.O_RDONLY|unix.O_DIRECTORY)
		switch {
		case err == unix.ENOTDIR || err == unix.ELOOP || err == nil && below < 0:
			continue
		case err != nil:
			return at(name, err)
		}
		err = giveEntries(below, ids)
		unix.Close(below)
		if err != nil {
			return at(name, err)
		}
	}
	return nil
}

// give changes an owner that is another: a change of the owner takes setuid bits away.
func give(dir int, name string, ids IDs) error {
	const flags = unix.AT_SYMLINK_NOFOLLOW | unix.AT_EMPTY_PATH
	var st unix.Stat_t
	if err := unix.Fstatat(dir, name, &st, flags); err != nil {
		return err
	}
	if st.Uid == ids.UID && st.Gid == ids.GID {
		return nil
	}
	return unix.Fchownat(dir, name, int(ids.UID), int(ids.GID), flags)
}

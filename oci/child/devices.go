package child

import (
	"errors"
	"path"

	"golang.org/x/sys/unix"
)

// makeDevices puts the device nodes and Docker's links into the container's /dev. It comes after pivot_root and the mounts: the nodes
// land in the container's /dev whatever the image made of that name (CVE-2026-41579 was the same work done by path before).
// When /dev is a directory of the user's, it is left as it is.
func makeDevices(b *birth) error {
	if b.ownDev() {
		return nil
	}
	for i, d := range b.plan.Devices {
		if err := b.makeDevice(i, d); err != nil {
			return at(d.Path, err)
		}
	}
	return b.linkDev()
}

// ownDev says whether the user mounted a directory on /dev.
func (b *birth) ownDev() bool {
	for _, m := range b.plan.Mounts {
		if (m.Type == "bind" || m.Type == "") && path.Clean("/"+m.Target) == "/dev" {
			return true
		}
	}
	return false
}

func (b *birth) makeDevice(i int, d Device) error {
	if b.devices != nil {
		return b.bindDevice(b.devices[i], d)
	}
	dir, name := path.Split(path.Clean("/" + d.Path))
	parent, err := b.root.MkdirAll(dir, 0o755)
	if err != nil {
		return err
	}
	defer unix.Close(parent)
	err = unix.Mknodat(parent, name, deviceType(d)|d.Mode&0o7777, int(unix.Mkdev(d.Major, d.Minor)))
	if err == unix.EEXIST {
		return checkDevice(parent, name, d)
	}
	if err != nil || d.UID == 0 && d.GID == 0 {
		return err
	}
	return unix.Fchownat(parent, name, int(d.UID), int(d.GID), unix.AT_SYMLINK_NOFOLLOW)
}

// checkDevice lets a node that the image or a mount brought along pass only if it is the right one.
func checkDevice(parent int, name string, d Device) error {
	var st unix.Stat_t
	if err := unix.Fstatat(parent, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	if err := isDevice(st, d); err != nil {
		return errors.Join(unix.EEXIST, err)
	}
	return nil
}

func (b *birth) bindDevice(source int, d Device) error {
	target, err := b.root.Create(d.Path, 0o644)
	if err != nil {
		return err
	}
	defer unix.Close(target)
	defer unix.Close(source)
	return attach(mounted{fd: source}, target)
}

// devLinks are the links that Docker puts into /dev.
var devLinks = []struct{ name, to string }{
	{"fd", "/proc/self/fd"},
	{"stdin", "/proc/self/fd/0"},
	{"stdout", "/proc/self/fd/1"},
	{"stderr", "/proc/self/fd/2"},
	{"core", "/proc/kcore"},
	{"ptmx", "pts/ptmx"},
}

// linkDev makes the links, but those that are there.
func (b *birth) linkDev() error {
	dev, err := b.root.Open("/dev", unix.O_PATH|unix.O_DIRECTORY)
	if err == unix.ENOENT {
		return nil // an OCI bundle may have none
	}
	if err != nil {
		return at("/dev", err)
	}
	defer unix.Close(dev)
	for _, l := range devLinks {
		if err := unix.Symlinkat(l.to, dev, l.name); err != nil && err != unix.EEXIST && err != unix.EROFS {
			return at("/dev/"+l.name, err)
		}
	}
	return nil
}

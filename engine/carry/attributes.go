package carry

import (
	"archive/tar"
	"path"

	"golang.org/x/sys/unix"
)

// times sets the times of the directories, the innermost first.
func (u *unpacker) times() error {
	for i := len(u.dirs) - 1; i >= 0; i-- {
		d := &u.dirs[i]
		if err := u.open(path.Dir(d.name)); err != nil {
			return err
		}
		err := setMtime(u.parent, path.Base(d.name), d.mtime)
		if err != nil && err != unix.ENOENT {
			return pathError("utimensat", d.name, err)
		}
	}
	return nil
}

func mtime(h *tar.Header) unix.Timespec { return unix.NsecToTimespec(h.ModTime.UnixNano()) }

func setMtime(dir int, name string, t unix.Timespec) error {
	flags := unix.AT_SYMLINK_NOFOLLOW
	if name == "" {
		flags |= unix.AT_EMPTY_PATH
	}
	return unix.UtimesNanoAt(dir, name, []unix.Timespec{t, t}, flags)
}

// attributes gives an open file owner, mode, capabilities and time, in this order: each takes away some of those after it. An id that the user
// namespace does not have is left at the caller's.
func (u *unpacker) attributes(fd int, h *tar.Header) error {
	if !u.options.KeepOwner {
		o := Owner{h.Uid, h.Gid}
		if u.options.Owner != nil {
			o = *u.options.Owner
		}
		uid, gid := shift(u.options.IDs, o.UID, o.GID)
		err := unix.Fchownat(fd, "", uid, gid, unix.AT_EMPTY_PATH)
		if err != nil && err != unix.EINVAL {
			return pathError("chown", h.Name, err)
		}
	}
	if h.Typeflag != tar.TypeSymlink {
		mode := uint32(h.Mode) & 0o7777
		if u.options.KeepOwner {
			mode &= 0o1777
		}
		if err := unix.Chmod(procPath(fd), mode); err != nil {
			return pathError("chmod", h.Name, err)
		}
		if value, ok := h.PAXRecords[paxXattr+capability]; ok {
			err := unix.Setxattr(procPath(fd), capability, []byte(value), 0)
			if err != nil && err != unix.ENOTSUP && err != unix.EPERM {
				return pathError("setxattr", h.Name, err)
			}
		}
	}
	if h.Typeflag == tar.TypeDir {
		return nil // when everything is in it
	}
	return pathError("utimensat", h.Name, setMtime(fd, "", mtime(h)))
}

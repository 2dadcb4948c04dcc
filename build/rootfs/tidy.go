package rootfs

import (
	"maps"
	"os"
	"path"

	"golang.org/x/sys/unix"
)

// RemoveEmpty removes an empty file or directory of the top directory, and says whether there is nothing left at the path. Something
// else, and something behind a symbolic link, stays.
func (w *Writer) RemoveEmpty(p string) (bool, error) {
	parent, err := w.roots[0].openAt(dirOf(p), unix.O_PATH|unix.O_DIRECTORY)
	if missing(err) {
		return true, nil
	}
	if err == unix.ELOOP {
		return false, nil
	}
	if err != nil {
		return false, &os.PathError{Op: "open", Path: "/" + dirOf(p), Err: err}
	}
	defer unix.Close(parent)
	var st unix.Stat_t
	err = unix.Fstatat(parent, path.Base(p), &st, unix.AT_SYMLINK_NOFOLLOW)
	if missing(err) {
		return true, nil
	}
	if err != nil {
		return false, &os.PathError{Op: "stat", Path: "/" + p, Err: err}
	}
	flags := 0
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		flags = unix.AT_REMOVEDIR
	case unix.S_IFREG:
		if st.Size > 0 {
			return false, nil
		}
	default:
		return false, nil
	}
	err = unix.Unlinkat(parent, path.Base(p), flags)
	if err == unix.ENOTEMPTY {
		return false, nil
	}
	if err != nil {
		return false, &os.PathError{Op: "remove", Path: "/" + p, Err: err}
	}
	return true, nil
}

// DropCopyUp removes a directory of the top directory that says nothing that the directories below do not say: it is empty and was
// copied up only to hold something that is gone. The directories above it follow as far as they are like it.
func (w *Writer) DropCopyUp(p string) error {
	for ; p != ""; p = dirOf(p) {
		same, err := w.sameAsBelow(p)
		if err != nil || !same {
			return err
		}
		removed, err := w.RemoveEmpty(p)
		if err != nil || !removed {
			return err
		}
	}
	return nil
}

// sameAsBelow says whether a directory of the top directory has owner, mode and attributes of the one it was copied from.
func (w *Writer) sameAsBelow(p string) (bool, error) {
	var st unix.Stat_t
	err := w.roots[0].lstat(p, &st)
	if missing(err) || err == unix.ELOOP {
		return false, nil
	}
	if err != nil {
		return false, &os.PathError{Op: "stat", Path: "/" + p, Err: err}
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return false, nil
	}
	if opaque, err := w.opaque(0, p); err != nil || opaque {
		return false, err
	}
	lower := Tree{roots: w.roots[1:], overlay: w.overlay, xattr: w.xattr}
	below, err := lower.Lookup(p)
	if err != nil || below.Path != p || !below.IsDir() {
		return false, nil
	}
	if st.Mode != below.Stat.Mode || st.Uid != below.Stat.Uid || st.Gid != below.Stat.Gid {
		return false, nil
	}
	above, err := w.Xattrs(&Node{Path: p, Stat: st, root: 0})
	if err != nil {
		return false, err
	}
	attrs, err := lower.Xattrs(&below)
	return err == nil && maps.Equal(above, attrs), err
}

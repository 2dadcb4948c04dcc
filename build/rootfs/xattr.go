package rootfs

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// Xattrs reads a file's extended attributes, without those that belong to overlay or to the host's SELinux.
func (t *Tree) Xattrs(n *Node) (map[string]string, error) {
	if n.root < 0 || n.IsLink() {
		return nil, nil
	}
	fd, err := t.roots[n.root].openAt(n.Path, unix.O_PATH)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: "/" + n.Path, Err: err}
	}
	defer unix.Close(fd)
	p := procPath(fd)
	attrs, err := readXattrs(
		func(buf []byte) (int, error) { return unix.Listxattr(p, buf) },
		func(name string, buf []byte) (int, error) { return unix.Getxattr(p, name, buf) })
	if err != nil {
		return nil, &os.PathError{Op: "listxattr", Path: "/" + n.Path, Err: err}
	}
	return attrs, nil
}

// XattrsFD is Xattrs for an open file.
func XattrsFD(fd int) (map[string]string, error) {
	return readXattrs(
		func(buf []byte) (int, error) { return unix.Flistxattr(fd, buf) },
		func(name string, buf []byte) (int, error) { return unix.Fgetxattr(fd, name, buf) })
}

func readXattrs(list func([]byte) (int, error), get func(string, []byte) (int, error)) (map[string]string, error) {
	size, err := list(nil)
	if err == unix.ENOTSUP || err == nil && size == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	buf := make([]byte, size)
	if size, err = list(buf); err != nil {
		return nil, err
	}
	attrs := map[string]string{}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(buf[:size]), "\x00"), "\x00") {
		if !KeepXattr(name) {
			continue
		}
		value, err := readXattr(name, get)
		if err == unix.ENODATA {
			continue
		}
		if err != nil {
			return nil, err
		}
		attrs[name] = value
	}
	return attrs, nil
}

func readXattr(name string, get func(string, []byte) (int, error)) (string, error) {
	size, err := get(name, nil)
	if err != nil {
		return "", err
	}
	buf := make([]byte, size)
	size, err = get(name, buf)
	if err != nil {
		return "", err
	}
	return string(buf[:size]), nil
}

// KeepXattr says whether an attribute belongs to a file's content. Overlay's own would change what the merge shows.
func KeepXattr(name string) bool {
	return name != "" && name != "security.selinux" &&
		!strings.HasPrefix(name, "trusted.overlay.") && !strings.HasPrefix(name, "user.overlay.")
}

// SetXattrsFD gives an open file attributes. What the file system or the user namespace does not allow is left out, as BuildKit does.
func SetXattrsFD(fd int, attrs map[string]string) error {
	return setXattrs(attrs, func(name string, value []byte) error { return unix.Fsetxattr(fd, name, value, 0) })
}

func setXattrs(attrs map[string]string, set func(string, []byte) error) error {
	for name, value := range attrs {
		if err := set(name, []byte(value)); err != nil && err != unix.ENOTSUP && err != unix.EPERM {
			return fmt.Errorf("setxattr %s: %w", name, err)
		}
	}
	return nil
}

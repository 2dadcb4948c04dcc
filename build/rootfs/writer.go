package rootfs

import (
	"fmt"
	"os"
	"path"
	"strings"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Writer writes into the top directory of a tree. What it writes, the tree shows; the directories below stay as they are.
// Its methods may be called by several goroutines as long as they write below different directories.
type Writer struct {
	*Tree

	mu   sync.Mutex
	made map[string]bool // directories that the top directory has
	gone map[string]bool // removed from the top directory while directories below still have them
}

// Meta is what a new file gets beside its content.
type Meta struct {
	Mode     uint32 // permissions with the set-id bits and the sticky bit
	UID, GID int
	Mtime    *unix.Timespec // nil: now
	Xattrs   map[string]string
}

// NewWriter opens a tree whose first directory, upper, is to be written.
func NewWriter(upper string, lower []string, o Options) (*Writer, error) {
	t, err := Open(append([]string{upper}, lower...), o)
	if err != nil {
		return nil, err
	}
	return &Writer{Tree: t, made: map[string]bool{"": true}, gone: map[string]bool{}}, nil
}

// Dir makes sure that the top directory has a directory of the tree, as overlay's copy-up would make it, and opens it there as an
// O_PATH descriptor. The node then knows the directory there.
func (w *Writer) Dir(n *Node) (int, error) {
	if err := w.copyUp(n.Path); err != nil {
		return -1, err
	}
	w.addTop(n)
	fd, err := w.roots[0].openAt(n.Path, unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return -1, &os.PathError{Op: "open", Path: "/" + n.Path, Err: err}
	}
	return fd, nil
}

// copyUp makes the directories down to p.
func (w *Writer) copyUp(p string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.made[p] {
		return nil
	}
	cur, err := w.Root()
	if err != nil {
		return err
	}
	for name := range strings.SplitSeq(p, "/") {
		if cur, err = w.Child(&cur, name); err != nil {
			return err
		}
		if err := w.copyUpOne(&cur); err != nil {
			return err
		}
	}
	return nil
}

func (w *Writer) copyUpOne(n *Node) error {
	if w.made[n.Path] {
		return nil
	}
	if !n.IsDir() {
		return &os.PathError{Op: "mkdir", Path: "/" + n.Path, Err: unix.ENOTDIR}
	}
	if n.in[0] != 0 {
		attrs, err := w.Xattrs(n)
		if err != nil {
			return err
		}
		m := Meta{Mode: n.Stat.Mode & 0o7777, UID: int(n.Stat.Uid), GID: int(n.Stat.Gid), Mtime: &n.Stat.Mtim, Xattrs: attrs}
		if err := w.mkdir(n.Path, m); err != nil {
			return err
		}
	}
	w.made[n.Path] = true
	return nil
}

// mkdir makes a directory in the top directory, whose parent is there.
func (w *Writer) mkdir(p string, m Meta) error {
	parent, err := w.roots[0].openAt(dirOf(p), unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return &os.PathError{Op: "open", Path: "/" + dirOf(p), Err: err}
	}
	defer unix.Close(parent)
	if err := unix.Mkdirat(parent, path.Base(p), 0o700); err != nil {
		return &os.PathError{Op: "mkdir", Path: "/" + p, Err: err}
	}
	if w.gone[p] {
		if err := w.makeOpaque(p); err != nil {
			return err
		}
	}
	return SetMeta(parent, path.Base(p), m)
}

// makeOpaque hides what the directories below the top one have at p.
func (w *Writer) makeOpaque(p string) error {
	fd, err := w.roots[0].openAt(p, unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return &os.PathError{Op: "open", Path: "/" + p, Err: err}
	}
	defer unix.Close(fd)
	if err := unix.Setxattr(procPath(fd), w.xattr+"opaque", []byte("y"), 0); err != nil {
		return &os.PathError{Op: "setxattr " + w.xattr + "opaque", Path: "/" + p, Err: err}
	}
	return nil
}

// Mkdir makes a new directory in a directory.
func (w *Writer) Mkdir(dir *Node, name string, m Meta) (Node, error) {
	if err := w.copyUp(dir.Path); err != nil {
		return Node{}, err
	}
	p := path.Join(dir.Path, name)
	w.mu.Lock()
	err := w.mkdir(p, m)
	w.made[p] = err == nil
	w.mu.Unlock()
	if err != nil {
		return Node{}, err
	}
	w.addTop(dir)
	return w.Child(dir, name)
}

// addTop notes that the top directory has a directory now.
func (w *Writer) addTop(dir *Node) {
	if len(dir.in) == 0 || dir.in[0] != 0 {
		dir.in = append([]int{0}, dir.in...)
		dir.root = 0
	}
}

// MkdirAll resolves a path and makes the directories that are missing with m. The error of one whose place a file has is ENOTDIR.
func (w *Writer) MkdirAll(p string, m Meta) (Node, error) {
	r, err := w.Root()
	if err != nil {
		return r, err
	}
	return w.MkdirAllFrom(&r, p, m)
}

// MkdirAllFrom is MkdirAll for a process whose root is the directory base.
func (w *Writer) MkdirAllFrom(base *Node, p string, m Meta) (Node, error) {
	n, rest, err := w.ResolveFrom(base, p)
	if err != nil {
		return n, err
	}
	if !n.IsDir() {
		return n, &os.PathError{Op: "mkdir", Path: path.Join("/", p), Err: unix.ENOTDIR}
	}
	for _, name := range rest {
		if n, err = w.Mkdir(&n, name, m); err != nil {
			return n, err
		}
	}
	return n, nil
}

// Remove takes a file or a whole directory out of the top directory, so that another file can take its place. What the
// directories below have at the path the new file hides.
func (w *Writer) Remove(n *Node) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if n.root == 0 {
		top, err := os.OpenRoot(w.roots[0].path)
		if err != nil {
			return err
		}
		defer top.Close()
		if err := top.RemoveAll(n.Path); err != nil {
			return fmt.Errorf("remove /%s: %w", n.Path, err)
		}
	}
	if n.IsDir() {
		w.forget(n.Path)
		w.gone[n.Path] = true
	}
	return nil
}

// InTop says whether the top directory has the file.
func (w *Writer) InTop(n *Node) bool { return n.root == 0 }

// forget drops what was noted of a directory that is no more.
func (w *Writer) forget(p string) {
	for q := range w.made {
		if q == p || strings.HasPrefix(q, p+"/") {
			delete(w.made, q)
		}
	}
}

// SetMeta gives the file name in the open directory dir its owner, mode, attributes and time.
func SetMeta(dir int, name string, m Meta) error {
	fail := func(op string, err error) error { return &os.PathError{Op: op, Path: name, Err: err} }
	if err := unix.Fchownat(dir, name, m.UID, m.GID, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return chownError(name, m, err)
	}
	var st unix.Stat_t
	if err := unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return fail("stat", err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFLNK {
		if err := chmodAt(dir, name, m); err != nil {
			return err
		}
	}
	return SetMtime(dir, name, m.Mtime)
}

// chownError says what EINVAL means: the user namespace has no such id, for want of subordinate ids (/etc/subuid, newuidmap).
func chownError(name string, m Meta, err error) error {
	if err == unix.EINVAL {
		return fmt.Errorf("chown %s: owner %d:%d is not mapped in the user namespace", name, m.UID, m.GID)
	}
	return &os.PathError{Op: "chown", Path: name, Err: err}
}

// Chown gives an open file its owner.
func Chown(fd int, name string, m Meta) error {
	if err := unix.Fchown(fd, m.UID, m.GID); err != nil {
		return chownError(name, m, err)
	}
	return nil
}

// chmodAt sets mode and attributes of a file that is no symbolic link.
func chmodAt(dir int, name string, m Meta) error {
	fd, err := unix.Openat(dir, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: name, Err: err}
	}
	defer unix.Close(fd)
	p := procPath(fd)
	if err := unix.Chmod(p, m.Mode&0o7777); err != nil {
		return &os.PathError{Op: "chmod", Path: name, Err: err}
	}
	return setXattrs(m.Xattrs, func(name string, value []byte) error { return unix.Setxattr(p, name, value, 0) })
}

// SetMtime sets the time of last change; nil leaves it.
func SetMtime(dir int, name string, t *unix.Timespec) error {
	if t == nil {
		return nil
	}
	err := unix.UtimesNanoAt(dir, name, []unix.Timespec{*t, *t}, unix.AT_SYMLINK_NOFOLLOW)
	if err != nil {
		return &os.PathError{Op: "utimensat", Path: name, Err: err}
	}
	return nil
}

// SetMtimeFD is SetMtime for an open file.
func SetMtimeFD(fd int, name string, t *unix.Timespec) error {
	if t == nil {
		return nil
	}
	times := [2]unix.Timespec{*t, *t}
	_, _, errno := unix.Syscall6(unix.SYS_UTIMENSAT, uintptr(fd), 0, uintptr(unsafe.Pointer(&times)), 0, 0, 0) // without a name: futimens(3)
	if errno != 0 {
		return &os.PathError{Op: "utimensat", Path: name, Err: errno}
	}
	return nil
}

// dirOf is the directory of a path of a node.
func dirOf(p string) string {
	if i := strings.LastIndexByte(p, '/'); i >= 0 {
		return p[:i]
	}
	return ""
}

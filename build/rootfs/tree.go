// Package rootfs reads and writes root file systems as overlay merges them from layer directories, without mounting anything.
//
// Every path is resolved in-root: a symbolic link is followed as a process whose root this is would follow it, and no
// system call ever follows one by itself (openat2 with RESOLVE_NO_SYMLINKS|RESOLVE_BENEATH), so that a link that
// appears in between leads to an error, never out of the tree.
package rootfs

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Tree is a stack of directories read as one. Its methods may be called by several goroutines.
type Tree struct {
	roots   []root // top first
	overlay bool   // whiteouts and opaque directories count
	xattr   string // "trusted.overlay." or "user.overlay."
}

// root is one directory of the stack, opened.
type root struct {
	path string
	fd   int
}

// Options says how the directories of a tree are to be read.
type Options struct {
	// UserXattr: overlay's attributes are user.overlay.*, as they are in a user namespace, not trusted.overlay.*.
	UserXattr bool
}

// Open opens layer directories, top first, to be read as overlay merges them. No directory at all is an empty root.
func Open(dirs []string, o Options) (*Tree, error) {
	t := &Tree{overlay: true, xattr: "trusted.overlay."}
	if o.UserXattr {
		t.xattr = "user.overlay."
	}
	return t, t.open(dirs)
}

// OpenDir opens one directory that no overlay wrote: a build context.
func OpenDir(dir string) (*Tree, error) {
	t := &Tree{xattr: "trusted.overlay."}
	return t, t.open([]string{dir})
}

func (t *Tree) open(dirs []string) error {
	for _, dir := range dirs {
		fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Close()
			return &os.PathError{Op: "open", Path: dir, Err: err}
		}
		t.roots = append(t.roots, root{path: dir, fd: fd})
	}
	return nil
}

// Close closes the tree's directories.
func (t *Tree) Close() {
	for _, r := range t.roots {
		unix.Close(r.fd)
	}
	t.roots = nil
}

// Node is a file of a tree as it was when it was looked up.
type Node struct {
	Path string // from the tree's root, without a leading slash and without symbolic links; "" is the root
	Link string // what a symbolic link holds
	Stat unix.Stat_t

	root int   // the directory of the stack that has it; -1 for the root of an empty tree
	in   []int // of a directory: those that are merged into it, top first
}

// IsDir says whether the node is a directory.
func (n *Node) IsDir() bool { return n.Stat.Mode&unix.S_IFMT == unix.S_IFDIR }

// IsRegular says whether the node is a regular file.
func (n *Node) IsRegular() bool { return n.Stat.Mode&unix.S_IFMT == unix.S_IFREG }

// IsLink says whether the node is a symbolic link.
func (n *Node) IsLink() bool { return n.Stat.Mode&unix.S_IFMT == unix.S_IFLNK }

// isWhiteout says whether the file says, in overlay's words, that there is none.
func isWhiteout(st *unix.Stat_t) bool {
	return st.Mode&unix.S_IFMT == unix.S_IFCHR && st.Rdev == 0
}

// Root gives the root directory.
func (t *Tree) Root() (Node, error) {
	n := Node{root: -1, Stat: unix.Stat_t{Mode: unix.S_IFDIR | 0o755, Nlink: 2}}
	for i, r := range t.roots {
		n.in = append(n.in, i)
		if i > 0 {
			continue
		}
		n.root = 0
		if err := unix.Fstat(r.fd, &n.Stat); err != nil {
			return n, &os.PathError{Op: "stat", Path: "/", Err: err}
		}
	}
	return n, nil
}

// openAt opens what lies at path in one directory of the stack. Nothing on the way, nor the last name unless flags has O_PATH, may
// be a symbolic link.
func (r root) openAt(path string, flags int) (int, error) {
	if path == "" {
		path = "."
	}
	how := &unix.OpenHow{
		Flags:   uint64(flags | unix.O_CLOEXEC | unix.O_NOFOLLOW),
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS,
	}
	for {
		fd, err := unix.Openat2(r.fd, path, how)
		if err != unix.EINTR && err != unix.EAGAIN {
			return fd, err
		}
	}
}

// lstat looks at one path in one directory of the stack.
func (r root) lstat(path string, st *unix.Stat_t) error {
	fd, err := r.openAt(path, unix.O_PATH)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Fstat(fd, st)
}

// missing says whether an error of a look-up means that there is no such file.
func missing(err error) bool { return err == unix.ENOENT || err == unix.ENOTDIR }

// Child looks up one name in a directory, without following a symbolic link. The error of a missing one is fs.ErrNotExist.
func (t *Tree) Child(dir *Node, name string) (Node, error) {
	p := path.Join(dir.Path, name)
	n := Node{Path: p, root: -1}
	for _, i := range dir.in {
		var st unix.Stat_t
		err := t.roots[i].lstat(p, &st)
		if missing(err) {
			continue
		}
		if err != nil {
			return n, &os.PathError{Op: "stat", Path: "/" + p, Err: err}
		}
		more, err := t.merge(&n, i, &st)
		if err != nil {
			return n, err
		}
		if !more {
			break
		}
	}
	if n.root < 0 {
		return n, &os.PathError{Op: "stat", Path: "/" + p, Err: fs.ErrNotExist}
	}
	return n, t.readlink(&n)
}

// merge adds what directory i of the stack has under the node's path, and says whether the directories below it count too.
func (t *Tree) merge(n *Node, i int, st *unix.Stat_t) (more bool, err error) {
	if t.overlay && isWhiteout(st) {
		return false, nil
	}
	dir := st.Mode&unix.S_IFMT == unix.S_IFDIR
	if n.root >= 0 && !dir {
		return false, nil // a file below a directory is hidden by it, and hides what is below
	}
	if n.root < 0 {
		n.root, n.Stat = i, *st
	}
	if !dir {
		return false, nil
	}
	n.in = append(n.in, i)
	if !t.overlay || i == len(t.roots)-1 {
		return t.overlay, nil
	}
	opaque, err := t.opaque(i, n.Path)
	return !opaque, err
}

// opaque says whether a directory hides what is below it.
func (t *Tree) opaque(i int, p string) (bool, error) {
	fd, err := t.roots[i].openAt(p, unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return false, &os.PathError{Op: "open", Path: "/" + p, Err: err}
	}
	defer unix.Close(fd)
	var buf [8]byte
	n, err := unix.Getxattr(procPath(fd), t.xattr+"opaque", buf[:])
	return err == nil && n == 1 && buf[0] == 'y', nil
}

// procPath names an open file for the calls that take no descriptor.
func procPath(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }

// readlink fills in Link.
func (t *Tree) readlink(n *Node) error {
	if !n.IsLink() {
		return nil
	}
	fd, err := t.roots[n.root].openAt(n.Path, unix.O_PATH)
	if err != nil {
		return &os.PathError{Op: "readlink", Path: "/" + n.Path, Err: err}
	}
	defer unix.Close(fd)
	n.Link, err = readlinkAt(fd, "")
	if err != nil {
		return &os.PathError{Op: "readlink", Path: "/" + n.Path, Err: err}
	}
	return nil
}

func readlinkAt(fd int, name string) (string, error) {
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(fd, name, buf)
	if err != nil {
		return "", err
	}
	return string(buf[:n]), nil
}

// Dirs gives the host's directories that are merged into a directory, top first: what overlay takes as lowerdir to show it.
func (t *Tree) Dirs(dir *Node) []string {
	var dirs []string
	for _, i := range dir.in {
		dirs = append(dirs, path.Join(t.roots[i].path, dir.Path))
	}
	return dirs
}

// HostPath gives the host's path of a file.
func (t *Tree) HostPath(n *Node) string { return path.Join(t.roots[n.root].path, n.Path) }

// Open opens a regular file for reading. It does not wait, whatever took the file's place meanwhile.
func (t *Tree) Open(n *Node) (*os.File, error) {
	dir, err := t.OpenParent(n)
	if err != nil {
		return nil, err
	}
	defer unix.Close(dir)
	fd, err := OpenIn(dir, n)
	if err != nil {
		return nil, err
	}
	if err = StillRegular(fd); err == nil {
		err = unix.SetNonblock(fd, false)
	}
	if err != nil {
		unix.Close(fd)
		return nil, &os.PathError{Op: "open", Path: "/" + n.Path, Err: err}
	}
	return os.NewFile(uintptr(fd), "/"+n.Path), nil
}

// OpenIn opens a regular file for reading in the directory that OpenParent gave, without what a *os.File costs. It does not wait,
// whatever took the file's place meanwhile: StillRegular says that nothing did. The caller closes the descriptor.
func OpenIn(dir int, n *Node) (fd int, err error) {
	for {
		fd, err = unix.Openat(dir, base(n.Path), unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
		if err != unix.EINTR {
			break
		}
	}
	if err != nil {
		return -1, &os.PathError{Op: "open", Path: "/" + n.Path, Err: err}
	}
	return fd, nil
}

// StillRegular says what is wrong when an open file is not the regular one that it was.
func StillRegular(fd int) error {
	var st unix.Stat_t
	err := unix.Fstat(fd, &st)
	if err == nil && st.Mode&unix.S_IFMT != unix.S_IFREG {
		err = errors.New("not a regular file any more")
	}
	return err
}

// base is the last name of a node's path.
func base(p string) string { return p[strings.LastIndexByte(p, '/')+1:] }

// OpenParent opens the directory that holds a file, in the directory of the stack that has it, as an O_PATH descriptor.
func (t *Tree) OpenParent(n *Node) (int, error) {
	dir := path.Dir(n.Path)
	if dir == "." {
		dir = ""
	}
	fd, err := t.roots[n.root].openAt(dir, unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return -1, &os.PathError{Op: "open", Path: "/" + dir, Err: err}
	}
	return fd, nil
}

// SameDir says whether two files lie in one directory of the stack, so that OpenParent of one serves the other.
func SameDir(a, b *Node) bool { return a.root == b.root && path.Dir(a.Path) == path.Dir(b.Path) }

package rootfs

import (
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// ReadDir lists a directory, sorted by name, without "." and "..".
func (t *Tree) ReadDir(dir *Node) ([]Node, error) {
	m := merger{tree: t, dir: dir}
	if len(dir.in) > 1 {
		m.at = map[string]int{}
	}
	for _, i := range dir.in {
		if err := m.add(i); err != nil {
			return nil, &os.PathError{Op: "readdir", Path: "/" + dir.Path, Err: err}
		}
	}
	nodes := slices.DeleteFunc(m.nodes, func(n Node) bool { return n.root < 0 })
	if m.at != nil {
		slices.SortFunc(nodes, func(a, b Node) int { return strings.Compare(a.Path, b.Path) })
	}
	return nodes, nil
}

// merger collects what the directories of a stack have under one path.
type merger struct {
	tree   *Tree
	dir    *Node
	nodes  []Node
	closed []bool         // of each node: what lies below does not count
	at     map[string]int // name → index in nodes; nil when there is one directory
}

// add merges in what directory i of the stack has.
func (m *merger) add(i int) error {
	fd, err := m.tree.roots[i].openAt(m.dir.Path, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	names, err := readNames(fd)
	if err != nil {
		return err
	}
	slices.Sort(names)
	m.nodes, m.closed = slices.Grow(m.nodes, len(names)), slices.Grow(m.closed, len(names))
	for _, name := range names {
		if err := m.addName(i, fd, name); err != nil {
			return err
		}
	}
	return nil
}

func (m *merger) addName(i, fd int, name string) error {
	k, known := m.at[name]
	if known && m.closed[k] {
		return nil
	}
	var st unix.Stat_t
	err := unix.Fstatat(fd, name, &st, unix.AT_SYMLINK_NOFOLLOW)
	if err == unix.ENOENT {
		return nil // removed since the directory was read
	}
	if err != nil {
		return err
	}
	if !known {
		k = len(m.nodes)
		if m.at != nil {
			m.at[name] = k
		}
		m.nodes = append(m.nodes, Node{Path: under(m.dir.Path, name), root: -1})
		m.closed = append(m.closed, false)
	}
	n := &m.nodes[k]
	more, err := m.tree.merge(n, i, &st)
	if err != nil {
		return err
	}
	m.closed[k] = !more
	if n.root == i && n.IsLink() {
		n.Link, err = readlinkAt(fd, name)
	}
	return err
}

// under is the path of what has a name in a directory.
func under(dir, name string) string {
	if dir == "" {
		return name
	}
	return dir + "/" + name
}

// readNames reads the names in an open directory.
func readNames(fd int) ([]string, error) {
	var names []string
	buf := make([]byte, 32<<10)
	for {
		n, err := unix.Getdents(fd, buf)
		if err == unix.EINTR {
			continue
		}
		if err != nil || n == 0 {
			return names, err
		}
		_, _, names = unix.ParseDirent(buf[:n], -1, names)
	}
}

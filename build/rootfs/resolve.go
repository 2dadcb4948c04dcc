package rootfs

import (
	"io/fs"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// maxLinks is how many symbolic links the kernel follows in one path (MAXSYMLINKS).
const maxLinks = 40

// Lookup finds the file at a path, following symbolic links, the last one included. The error of a missing one is fs.ErrNotExist.
func (t *Tree) Lookup(p string) (Node, error) {
	n, rest, err := t.Resolve(p)
	if err == nil && len(rest) > 0 {
		err = &os.PathError{Op: "stat", Path: path.Join("/", p), Err: fs.ErrNotExist}
	}
	return n, err
}

// Resolve follows a path as far as it exists and gives the last file found and the names that are missing below it.
func (t *Tree) Resolve(p string) (n Node, rest []string, err error) {
	r, err := t.Root()
	if err != nil {
		return n, nil, err
	}
	return t.ResolveFrom(&r, p)
}

// ResolveFrom is Resolve for a process whose root is the directory base.
func (t *Tree) ResolveFrom(base *Node, p string) (n Node, rest []string, err error) {
	w := &walker{tree: t, stack: []Node{*base}}
	return w.walk(p, nil)
}

// ResolveVia is Resolve, and calls via with each symbolic link that is followed. An error of via ends the walk.
func (t *Tree) ResolveVia(p string, via func(link *Node) error) (n Node, rest []string, err error) {
	r, err := t.Root()
	if err != nil {
		return n, nil, err
	}
	w := &walker{tree: t, stack: []Node{r}}
	return w.walk(p, via)
}

// walker follows one path.
type walker struct {
	tree  *Tree
	stack []Node   // the directories from the root to where the walk is, and at the end perhaps a file
	rest  []string // names below it that do not exist
	links int
}

func (w *walker) walk(p string, via func(*Node) error) (Node, []string, error) {
	todo := strings.Split(p, "/")
	for len(todo) > 0 {
		name := todo[0]
		todo = todo[1:]
		link, err := w.step(name)
		if err != nil {
			return Node{}, nil, err
		}
		if link == nil {
			continue
		}
		if w.links++; w.links > maxLinks {
			return Node{}, nil, &os.PathError{Op: "stat", Path: path.Join("/", p), Err: unix.ELOOP}
		}
		if via != nil {
			if err := via(link); err != nil {
				return Node{}, nil, err
			}
		}
		if strings.HasPrefix(link.Link, "/") {
			w.stack = w.stack[:1]
		}
		todo = append(strings.Split(link.Link, "/"), todo...)
	}
	return w.stack[len(w.stack)-1], w.rest, nil
}

// step goes one name further and gives the symbolic link that it met instead of following it.
func (w *walker) step(name string) (link *Node, err error) {
	switch {
	case name == "" || name == ".":
		return nil, nil
	case name == ".." && len(w.rest) > 0:
		w.rest = w.rest[:len(w.rest)-1]
		return nil, nil
	case name == "..":
		w.stack = w.stack[:max(1, len(w.stack)-1)]
		return nil, nil
	case len(w.rest) > 0:
		w.rest = append(w.rest, name)
		return nil, nil
	}
	cur := &w.stack[len(w.stack)-1]
	if !cur.IsDir() {
		return nil, &os.PathError{Op: "stat", Path: "/" + path.Join(cur.Path, name), Err: unix.ENOTDIR}
	}
	n, err := w.tree.Child(cur, name)
	switch {
	case os.IsNotExist(err):
		w.rest = []string{name}
		return nil, nil
	case err != nil:
		return nil, err
	case n.IsLink():
		return &n, nil
	}
	w.stack = append(w.stack, n)
	return nil, nil
}

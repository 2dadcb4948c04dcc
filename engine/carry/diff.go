package carry

import (
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Change is one line of `diff`.
type Change struct {
	Kind byte   // 'A' added, 'C' changed, 'D' deleted
	Path string // absolute
}

// Diff says what an overlay's upper directory changes of base, the root below it, both open with O_PATH. What leave says is passed over.
func Diff(upper, base int, leave Leave) ([]Change, error) {
	d := &differ{leave: leave}
	if err := d.directory(upper, base, ""); err != nil {
		return nil, err
	}
	slices.SortFunc(d.changes, func(a, b Change) int { return strings.Compare(a.Path, b.Path) })
	return d.changes, nil
}

type differ struct {
	leave   Leave
	changes []Change
}

func (d *differ) add(kind byte, name string) {
	d.changes = append(d.changes, Change{kind, "/" + name})
}

// directory compares what is in a directory; base is -1 where the root below has none.
func (d *differ) directory(upper, base int, name string) error {
	names, err := list(upper)
	if err != nil {
		return pathError("readdir", "/"+name, err)
	}
	for _, n := range names {
		if err := d.entry(upper, base, strings.TrimPrefix(name+"/"+n, "/")); err != nil {
			return err
		}
	}
	if base >= 0 && opaque(upper) {
		return d.hidden(base, names, name)
	}
	return nil
}

// hidden adds what an opaque directory does not have any more.
func (d *differ) hidden(base int, have []string, name string) error {
	names, err := list(base)
	if err != nil {
		return pathError("readdir", "/"+name, err)
	}
	for _, n := range names {
		if !slices.Contains(have, n) {
			d.add('D', strings.TrimPrefix(name+"/"+n, "/"))
		}
	}
	return nil
}

func opaque(dir int) bool {
	var v [8]byte
	for _, name := range []string{"trusted.overlay.opaque", "user.overlay.opaque"} {
		if n, err := unix.Getxattr(procPath(dir), name, v[:]); err == nil && n == 1 && v[0] == 'y' {
			return true
		}
	}
	return false
}

func (d *differ) entry(upper, base int, name string) error {
	short := name[strings.LastIndexByte(name, '/')+1:]
	fd, st, err := openNoFollow(upper, short)
	if err == unix.ENOENT {
		return nil
	}
	if err != nil {
		return pathError("open", "/"+name, err)
	}
	defer unix.Close(fd)
	below, was := -1, unix.Stat_t{}
	if base >= 0 {
		below, was, err = openNoFollow(base, short)
		if err == nil {
			defer unix.Close(below)
		} else if err != unix.ENOENT {
			return pathError("open", "/"+name, err)
		}
	}
	switch {
	case kind(&st) == unix.S_IFCHR && st.Rdev == 0:
		if below >= 0 {
			d.add('D', name)
		}
		return nil
	case d.leave(name, &st):
		return nil
	case !isDir(&st):
		d.add(addedOrChanged(below), name)
		return nil
	}
	return d.subdirectory(directories{fd, below, &st, &was}, name)
}

// directories are a directory and what is at its place in the root below; -1 where there is nothing.
type directories struct {
	upper, below int
	st, was      *unix.Stat_t
}

// subdirectory compares a directory. One that is as it was counts as changed when something in it is.
func (d *differ) subdirectory(p directories, name string) error {
	before := len(d.changes)
	inBelow := p.below
	if inBelow >= 0 && !isDir(p.was) {
		inBelow = -1
	}
	if err := d.directory(p.upper, inBelow, name); err != nil {
		return err
	}
	same := inBelow >= 0 && p.st.Mode == p.was.Mode && p.st.Uid == p.was.Uid && p.st.Gid == p.was.Gid
	if !same || len(d.changes) > before {
		d.add(addedOrChanged(p.below), name)
	}
	return nil
}

func addedOrChanged(below int) byte {
	if below < 0 {
		return 'A'
	}
	return 'C'
}

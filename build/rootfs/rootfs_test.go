package rootfs

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// layer makes a directory from lines: "d path", "f path content", "l path target", "w path" (whiteout), "o path" (opaque).
func layer(t *testing.T, lines ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, line := range lines {
		f := strings.SplitN(line+"  ", " ", 3)
		p, arg := filepath.Join(dir, f[1]), strings.TrimSuffix(f[2], "  ")
		arg = strings.TrimSpace(arg)
		must(t, os.MkdirAll(filepath.Dir(p), 0o755))
		switch f[0] {
		case "d":
			must(t, os.MkdirAll(p, 0o755))
		case "f":
			must(t, os.WriteFile(p, []byte(arg), 0o644))
		case "l":
			must(t, os.Symlink(arg, p))
		case "w":
			needRoot(t, unix.Mknod(p, unix.S_IFCHR, 0))
		case "o":
			must(t, os.MkdirAll(p, 0o755))
			needRoot(t, unix.Setxattr(p, "user.overlay.opaque", []byte("y"), 0))
		}
	}
	return dir
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// needRoot skips a test that needs root, of the machine or of a user namespace.
func needRoot(t *testing.T, err error) {
	t.Helper()
	if errors.Is(err, unix.EPERM) {
		t.Skip("needs root or a user namespace:", err)
	}
	must(t, err)
}

func open(t *testing.T, dirs ...string) *Tree {
	t.Helper()
	tree, err := Open(dirs, Options{UserXattr: true})
	must(t, err)
	t.Cleanup(tree.Close)
	return tree
}

func content(t *testing.T, tree *Tree, p string) string {
	t.Helper()
	n, err := tree.Lookup(p)
	if err != nil {
		return "error: " + errors.Unwrap(err).Error()
	}
	data, err := os.ReadFile(tree.HostPath(&n))
	must(t, err)
	return string(data)
}

func TestLookup(t *testing.T) {
	bottom := layer(t, "f etc/passwd bottom", "f lib/a a", "f gone x", "f dir/old x", "f file/x y", "f keep/deep/z z")
	middle := layer(t, "f etc/passwd middle", "l lib64 /lib", "l up ../../../../lib", "l loop loop", "l abs /abs2", "l abs2 etc", "f keep/deep/m m")
	top := layer(t, "w gone", "o dir", "f dir/new n", "f file i-am-a-file", "w keep/deep/z")
	tree := open(t, top, middle, bottom)
	for _, c := range []struct{ path, want string }{
		{"etc/passwd", "middle"},
		{"/etc/../etc//./passwd", "middle"},
		{"lib64/a", "a"},
		{"up/a", "a"},
		{"abs/passwd", "middle"},
		{"../../etc/passwd", "middle"},
		{"keep/deep/m", "m"},
		{"file", "i-am-a-file"},
		{"dir/new", "n"},
		{"gone", "error: file does not exist"},
		{"dir/old", "error: file does not exist"},
		{"keep/deep/z", "error: file does not exist"},
		{"loop", "error: too many levels of symbolic links"},
		{"file/x", "error: not a directory"},
	} {
		if got := content(t, tree, c.path); got != c.want {
			t.Errorf("%s: got %q, want %q", c.path, got, c.want)
		}
	}
}

func TestResolveRest(t *testing.T) {
	tree := open(t, layer(t, "d a/b", "l to /nowhere/x", "l a/up .."))
	for _, c := range []struct{ path, found, rest string }{
		{"a/b", "a/b", ""},
		{"a/b/c/d", "a/b", "c/d"},
		{"a/b/c/../e", "a/b", "e"},
		{"a/b/c/../../f", "a", "f"},
		{"to/y", "", "nowhere/x/y"},
		{"a/up/q", "", "q"},
	} {
		n, rest, err := tree.Resolve(c.path)
		if err != nil || n.Path != c.found || strings.Join(rest, "/") != c.rest {
			t.Errorf("%s: got %q %q %v, want %q %q", c.path, n.Path, rest, err, c.found, c.rest)
		}
	}
}

func TestReadDir(t *testing.T) {
	bottom := layer(t, "f d/a 1", "f d/b 1", "f d/c/x 1", "f d/e/x 1")
	top := layer(t, "f d/b 2", "w d/a", "f d/c/y 2", "f d/d 2", "f d/e i-hide-it")
	tree := open(t, top, bottom)
	dir, err := tree.Lookup("d")
	must(t, err)
	nodes, err := tree.ReadDir(&dir)
	must(t, err)
	var got []string
	for _, n := range nodes {
		got = append(got, n.Path)
	}
	if s := strings.Join(got, " "); s != "d/b d/c d/d d/e" {
		t.Errorf("got %q", s)
	}
	if c := tree.Dirs(&nodes[1]); len(c) != 2 || c[0] != filepath.Join(top, "d/c") {
		t.Errorf("merged directories of d/c: %q", c)
	}
	if len(tree.Dirs(&nodes[3])) != 0 {
		t.Error("a file over a directory is merged")
	}
}

func TestPlainDirectoryHasNoWhiteouts(t *testing.T) {
	dir := layer(t, "w node", "f x 1")
	tree, err := OpenDir(dir)
	must(t, err)
	defer tree.Close()
	if _, err := tree.Lookup("node"); err != nil {
		t.Error(err)
	}
}

func TestWriterCopiesUp(t *testing.T) {
	bottom := layer(t, "d a/b", "f a/b/old old")
	must(t, os.Chmod(filepath.Join(bottom, "a"), 0o711))
	upper := t.TempDir()
	w, err := NewWriter(upper, []string{bottom}, Options{UserXattr: true})
	must(t, err)
	defer w.Close()
	uid := os.Getuid()
	n, err := w.MkdirAll("/a/b/c/d", Meta{Mode: 0o750, UID: uid, GID: os.Getgid()})
	must(t, err)
	if n.Path != "a/b/c/d" {
		t.Errorf("made %q", n.Path)
	}
	for p, mode := range map[string]fs.FileMode{"a": 0o711, "a/b": 0o755, "a/b/c": 0o750, "a/b/c/d": 0o750} {
		fi, err := os.Stat(filepath.Join(upper, p))
		must(t, err)
		if fi.Mode().Perm() != mode {
			t.Errorf("%s has mode %o, want %o", p, fi.Mode().Perm(), mode)
		}
	}
	if got := content(t, w.Tree, "a/b/old"); got != "old" {
		t.Errorf("the merge lost a/b/old: %q", got)
	}
	if _, err := w.MkdirAll("/a/b/old/x", Meta{Mode: 0o755}); !errors.Is(err, unix.ENOTDIR) {
		t.Errorf("a directory in a file: %v", err)
	}
}

// A link of the image's that points out of the root must not lead the writer out.
func TestWriterStaysInside(t *testing.T) {
	canary := t.TempDir()
	bottom := layer(t, "l out "+canary, "l rel ../../../../../../../.."+canary)
	upper := t.TempDir()
	w, err := NewWriter(upper, []string{bottom}, Options{UserXattr: true})
	must(t, err)
	defer w.Close()
	for _, p := range []string{"out/x", "rel/y"} {
		_, err := w.MkdirAll(p, Meta{Mode: 0o755, UID: os.Getuid(), GID: os.Getgid()})
		must(t, err)
	}
	if left, _ := os.ReadDir(canary); len(left) != 0 {
		t.Fatalf("the canary has %v", left)
	}
	if _, err := os.Stat(filepath.Join(upper, canary, "x")); err != nil {
		t.Error(err)
	}
}

func TestRemovedDirectoryComesBackEmpty(t *testing.T) {
	bottom := layer(t, "f d/old old")
	upper := t.TempDir()
	w, err := NewWriter(upper, []string{bottom}, Options{UserXattr: true})
	must(t, err)
	defer w.Close()
	me := Meta{Mode: 0o755, UID: os.Getuid(), GID: os.Getgid()}
	d, err := w.Lookup("d")
	must(t, err)
	must(t, w.Remove(&d))
	root, err := w.Root()
	must(t, err)
	_, err = w.Mkdir(&root, "d", me)
	must(t, err)
	if got := content(t, w.Tree, "d/old"); got != "error: file does not exist" {
		t.Errorf("d/old: %q", got)
	}
}

func TestOwner(t *testing.T) {
	dir := layer(t, "l etc/group /etc/groups", "f etc/groups wheel:x:10:\nbad:x:ten:\n")
	passwd := "root:x:0:0::/:\nweb:x:33:44::/:\nhuge:x:1:99999999999:\n99999999999:x:0:0:\nshort:x\n"
	must(t, os.WriteFile(filepath.Join(dir, "etc/passwd"), []byte(passwd), 0o644))
	tree := open(t, dir)
	for _, c := range []struct {
		in       string
		uid, gid int
		err      string
	}{
		{"web", 33, 44, ""},
		{"web:", 33, 44, ""},
		{"web:wheel", 33, 10, ""},
		{"1000", 1000, 1000, ""},
		{"1000:", 1000, 1000, ""},
		{"1000:7", 1000, 7, ""},
		{"root", 0, 0, ""},
		{"5:root", 5, 0, ""},
		{"0:wheel", 0, 10, ""},
		{"nobody", 0, 0, "find user nobody: no matching entries in /etc/passwd"},
		{"web:none", 0, 0, "find group none: no matching entries in /etc/group"},
		{"short", 0, 0, "find user short: no matching entries in /etc/passwd"},
		{"0:bad", 0, 0, "find group bad: no matching entries in /etc/group"},
		{"huge", 0, 0, "id 99999999999 is out of range"},
		{"2147483648", 0, 0, "id 2147483648 is out of range"},
		{"99999999999", 0, 0, "id 99999999999 is out of range"},
		{"99999999999999999999", 0, 0, "id 99999999999999999999 is out of range"},
		{"-1", 0, 0, "find user -1: no matching entries in /etc/passwd"},
		{"0x0", 0, 0, "find user 0x0: no matching entries in /etc/passwd"},
		{"", 0, 0, "find user : no matching entries in /etc/passwd"},
	} {
		uid, gid, err := tree.Owner(c.in)
		if c.err != "" {
			if err == nil || err.Error() != c.err {
				t.Errorf("%q: error %v, want %q", c.in, err, c.err)
			}
			continue
		}
		if err != nil || uid != c.uid || gid != c.gid {
			t.Errorf("%q: %d:%d %v, want %d:%d", c.in, uid, gid, err, c.uid, c.gid)
		}
	}
}

func TestOwnerDoesNotWaitForAFifo(t *testing.T) {
	dir := t.TempDir()
	must(t, os.Mkdir(filepath.Join(dir, "etc"), 0o755))
	must(t, unix.Mkfifo(filepath.Join(dir, "etc/passwd"), 0o644))
	if _, _, err := open(t, dir).Owner("web"); err == nil {
		t.Error("no error")
	}
}

package monitor

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

func gone(t *testing.T, path string) {
	t.Helper()
	if err := RemoveTree(path); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("%s is still there (%v)", path, err)
	}
}

func TestRemoveTreeNothing(t *testing.T) {
	gone(t, filepath.Join(t.TempDir(), "none"))
	gone(t, filepath.Join(t.TempDir(), "none/below"))
}

func TestRemoveTreeKeepsWhatLinksName(t *testing.T) {
	dir := t.TempDir()
	keep := filepath.Join(dir, "keep")
	os.MkdirAll(filepath.Join(keep, "sub"), 0o700)
	os.WriteFile(filepath.Join(keep, "file"), nil, 0o600)
	tree := filepath.Join(dir, "tree")
	os.Mkdir(tree, 0o700)
	os.Symlink(keep, filepath.Join(tree, "link"))
	os.Symlink(tree, filepath.Join(dir, "alias"))
	gone(t, filepath.Join(dir, "alias"))
	if _, err := os.Stat(tree); err != nil {
		t.Fatal("the target of a link was removed")
	}
	gone(t, tree)
	if _, err := os.Stat(filepath.Join(keep, "file")); err != nil {
		t.Error(err)
	}
}

func TestRemoveTreeOfAnyMode(t *testing.T) {
	tree := filepath.Join(t.TempDir(), "tree")
	work := filepath.Join(tree, "work/work")
	os.MkdirAll(filepath.Join(work, "index"), 0o700)
	os.WriteFile(filepath.Join(work, "#1"), nil, 0)
	unix.Mkfifo(filepath.Join(work, "fifo"), 0)
	os.Chmod(work, 0)
	os.Chmod(filepath.Dir(work), 0)
	gone(t, tree)
}

func TestRemoveTreeOfManyFiles(t *testing.T) {
	tree := filepath.Join(t.TempDir(), "tree")
	os.Mkdir(tree, 0o700)
	for i := range 500 {
		os.WriteFile(filepath.Join(tree, "a rather long name for a file "+strconv.Itoa(i)), nil, 0o600)
	}
	gone(t, tree)
}

// A container can make a tree that is deeper than there are descriptors, and than a path may be long.
func TestRemoveTreeOfAnyDepth(t *testing.T) {
	tree := filepath.Join(t.TempDir(), "tree")
	os.Mkdir(tree, 0o700)
	os.Mkdir(filepath.Join(tree, ".deep-1"), 0o700)
	os.WriteFile(filepath.Join(tree, ".deep-1", "taken"), nil, 0o600)
	fd, err := unix.Open(tree, unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	for i := 0; err == nil && i < 1000; i++ {
		unix.Mkdirat(fd, "deeper-and-deeper", 0o700)
		next, openErr := unix.Openat(fd, "deeper-and-deeper", unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		unix.Close(fd)
		fd, err = next, openErr
	}
	if err != nil {
		t.Fatal(err)
	}
	unix.Close(fd)
	gone(t, tree)
}

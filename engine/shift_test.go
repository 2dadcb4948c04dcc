package engine

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"codeberg.org/hoy/hoy/engine/rootless"
	"codeberg.org/hoy/hoy/oci/child"
	"codeberg.org/hoy/hoy/oci/userns"
)

// newShifter makes a store's directory with one layer: a file of a user's, a hard link, an empty file, a symbolic link, a whiteout.
func newShifter(t *testing.T) (*shifter, string) {
	t.Helper()
	if os.Geteuid() != 0 || rootless.Rootless() {
		t.Skip("needs root: files get owners that an ordinary user's namespace does not have; the scripts of --userns do it there")
	}
	root := t.TempDir()
	layer := filepath.Join(root, "overlay", "layer1", "diff")
	for _, d := range []string{layer + "/dir", root + "/map"} {
		must(t, os.MkdirAll(d, 0o755))
	}
	must(t, os.WriteFile(layer+"/dir/file", []byte("content"), 0o640))
	must(t, os.Chown(layer+"/dir/file", 33, 34))
	must(t, unix.Chmod(layer+"/dir/file", 0o4750))
	must(t, os.Link(layer+"/dir/file", layer+"/again"))
	must(t, os.WriteFile(layer+"/empty", nil, 0o644))
	must(t, os.Symlink("dir/file", layer+"/link"))
	must(t, os.Lchown(layer+"/link", 5, 6))
	must(t, os.WriteFile(layer+"/foreign", []byte("x"), 0o644))
	must(t, os.Chown(layer+"/foreign", 50000, 0))
	must(t, unix.Mknod(layer+"/gone", unix.S_IFCHR, 0))
	ids := []userns.Range{{Inside: 0, Outside: 100000, Count: 1000}}
	base := filepath.Join(root, "overlay", "layer0", "diff")
	must(t, os.MkdirAll(base+"/dir", 0o755))
	for _, name := range []string{"dir/file", "gone", "below"} {
		must(t, os.WriteFile(filepath.Join(base, name), []byte("of the base"), 0o644))
	}
	return &shifter{layers: []string{layer, base}, ids: &userns.Map{UIDs: ids, GIDs: ids}, dir: root + "/map", prefix: "trusted.overlay."}, layer
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestShift makes a layer with other owners in both ways, and looks at it through overlay.
func TestShift(t *testing.T) {
	for _, kind := range []string{shiftedStub, shiftedCopy} {
		t.Run(kind, func(t *testing.T) {
			s, layer := newShifter(t)
			if kind == shiftedStub && !s.makeDirs(t).canStub() {
				t.Skip("this kernel's overlay has no data-only layers")
			}
			s.makeDirs(t)
			if kind == shiftedStub {
				must(t, s.makeStub(context.Background()))
			} else {
				must(t, s.makeCopies(context.Background(), s.layers))
			}
			l, err := s.found()
			must(t, err)
			if (len(l.data) > 0) != (kind == shiftedStub) {
				t.Errorf("data-only layers: %v", l.data)
			}
			fd, err := child.PrepareRootfs(&child.Plan{Rootfs: child.Rootfs{Lower: l.dirs, Data: l.data}}, nil)
			must(t, err)
			defer unix.Close(fd)
			for name, want := range map[string][2]uint32{"dir/file": {100033, 100034}, "again": {100033, 100034}, "link": {100005, 100006}, "empty": {100000, 100000}, "foreign": {65534, 100000}, "below": {100000, 100000}} {
				var st unix.Stat_t
				must(t, unix.Fstatat(fd, name, &st, unix.AT_SYMLINK_NOFOLLOW))
				if st.Uid != want[0] || st.Gid != want[1] {
					t.Errorf("%s: %d:%d", name, st.Uid, st.Gid)
				}
				if name == "again" && (st.Mode&0o7777 != 0o4750 || st.Size != int64(len("content"))) {
					t.Errorf("%s: mode %o, %d bytes", name, st.Mode&0o7777, st.Size)
				}
			}
			for name, want := range map[string]string{"again": "content", "dir/file": "content", "below": "of the base", "empty": ""} {
				f, err := unix.Openat(fd, name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
				must(t, err)
				buf := make([]byte, 100)
				n, err := unix.Read(f, buf)
				unix.Close(f)
				if err != nil || string(buf[:n]) != want {
					t.Errorf("%s holds %q, %v", name, buf[:n], err)
				}
			}
			if err := unix.Fstatat(fd, "gone", new(unix.Stat_t), 0); err != unix.ENOENT {
				t.Errorf("the whiteout is none: %v", err)
			}
			if st, err := os.Stat(layer + "/dir/file"); err != nil || st.Size() != 7 {
				t.Error("the layer was changed")
			}
		})
	}
}

// makeDirs makes what make makes before the layers.
func (s *shifter) makeDirs(t *testing.T) *shifter {
	for _, kind := range []string{shiftedStub, shiftedCopy} {
		must(t, os.MkdirAll(filepath.Join(s.dir, kind), 0o700))
	}
	return s
}

// TestShiftSaysOnce makes layers, which takes a word only when their files are copied; what was made is not made again.
func TestShiftSaysOnce(t *testing.T) {
	s, _ := newShifter(t)
	var said strings.Builder
	must(t, s.make(context.Background(), &said))
	l, err := s.found()
	must(t, err)
	dir := l.dirs[0]
	if stub := len(l.data) > 0; stub == strings.Contains(said.String(), "copying 2 layers") {
		t.Errorf("%s, stub %v, said %q", dir, stub, &said)
	}
	before, err := os.Stat(dir)
	must(t, err)
	must(t, os.MkdirAll(filepath.Join(s.dir, shiftedStub, ".part-layer1"), 0o700))
	must(t, s.make(context.Background(), &said))
	after, err := os.Stat(dir)
	must(t, err)
	if !os.SameFile(before, after) {
		t.Error("the layer was made again")
	}
}

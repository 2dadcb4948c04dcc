package storage

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"codeberg.org/hoy/hoy/storage/layertar"
	"golang.org/x/sys/unix"
)

// overlay mounts the stage over the lower directories, as a build's RUN does, and calls work with the merged directory.
func overlay(t testing.TB, g *Stage, lower []string, work func(merged string)) {
	t.Helper()
	merged := t.TempDir()
	options := "lowerdir=" + strings.Join(lower, ":") + ",upperdir=" + g.Dir + ",workdir=" + g.Work + ",index=off,xino=off"
	if rootless() {
		options += ",userxattr"
	} else {
		options += ",redirect_dir=off,metacopy=off"
	}
	if err := unix.Mount("overlay", merged, "overlay", 0, options); err != nil {
		t.Skipf("cannot mount overlay: %v", err)
	}
	defer func() {
		if err := unix.Unmount(merged, 0); err != nil {
			t.Error(err)
		}
	}()
	work(merged)
}

func check(t testing.TB, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// capability is a file capability as setcap writes it: version 2, cap_net_raw, effective.
const capability = "\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"

// mess makes every kind of entry that a layer can have.
func mess(t testing.TB, root string) {
	t.Helper()
	at := func(name string) string { return filepath.Join(root, name) }
	check(t,
		os.Remove(at("gone1")), os.Remove(at("gone2")), os.RemoveAll(at("gonedir")),
		os.RemoveAll(at("again")), os.Mkdir(at("again"), 0o700), os.WriteFile(at("again/new"), []byte("n"), 0o644),
		os.MkdirAll(at("fresh/deep"), 0o755), os.WriteFile(at("fresh/deep/f"), nil, 0o600),
		os.RemoveAll(at("dir2file")), os.WriteFile(at("dir2file"), []byte("x"), 0o4755), os.Chmod(at("dir2file"), 0o755|os.ModeSetuid),
		os.Remove(at("file2dir")), os.Mkdir(at("file2dir"), 0o1777), os.Chmod(at("file2dir"), 0o777|os.ModeSticky),
		os.WriteFile(at("link1"), []byte("linked"), 0o644), os.Link(at("link1"), at("link2")), os.Link(at("link1"), at("fresh/link3")),
		os.Symlink("../some/where", at("sym")), os.Symlink(strings.Repeat("x/", 90)+"end", at("longsym")),
		os.WriteFile(at("owned"), []byte("o"), 0o644), os.Lchown(at("owned"), 12, 34), os.Lchown(at("sym"), 5, 6),
		os.WriteFile(at("capable"), []byte("c"), 0o755), unix.Lsetxattr(at("capable"), "security.capability", []byte(capability), 0),
		os.WriteFile(at("attr"), nil, 0o644), unix.Lsetxattr(at("attr"), "user.note", []byte("hello"), 0),
		os.MkdirAll(at(strings.Repeat("longname/", 30)), 0o755), os.WriteFile(at("unicode-äöü-☃"), []byte("u"), 0o644),
		os.WriteFile(at("new\nline"), []byte("u"), 0o644), os.WriteFile(at("big"), bytes.Repeat([]byte("0123456789"), 100_000), 0o644),
		unix.Mkfifo(at("fifo"), 0o644), os.WriteFile(at("changed"), []byte("after"), 0o644),
		os.Chtimes(at("owned"), testTime, testTime.Add(time.Second*3/4)),
		os.Chtimes(at("attr"), testTime, time.Unix(-1, 500)),
	)
	if !rootless() {
		check(t, unix.Mknod(at("device"), unix.S_IFBLK|0o600, int(unix.Mkdev(7, 300))))
	}
}

// messyLayer makes a layer by an overlay mount on two lower ones.
func messyLayer(t testing.TB, s *Store) *Layer {
	t.Helper()
	bottom := layer(t, s, "", files{
		"gone1": "1", "gone2": "2", "gonedir/x": "3", "again/old": "4", "dir2file/x": "5", "file2dir": "6", "changed": "before", "kept/x": "",
	})
	middle := layer(t, s, bottom.ID, files{"kept/y": "", "again/middle": ""})
	lower := []string{middle.Dir, bottom.Dir}
	g, err := s.StageLayer(lower)
	check(t, err)
	overlay(t, g, lower, func(merged string) { mess(t, merged) })
	l, err := g.Commit(ctx, CommitOptions{Parent: middle.ID})
	check(t, err)
	return l
}

// The digest must be that of the tar that containers/storage makes for other tools.
func TestDiffIDIsContainersStorages(t *testing.T) {
	s := newStore(t)
	l := messyLayer(t, s)
	diffID, err := l.WaitDiffID(ctx)
	check(t, err)
	lib, err := s.library()
	check(t, err)
	theirs, err := lib.Diff("", l.ID, nil)
	check(t, err)
	defer theirs.Close()
	h := sha256.New()
	size, err := io.Copy(h, theirs)
	check(t, err)
	if got := "sha256:" + hex.EncodeToString(h.Sum(nil)); got != diffID {
		t.Errorf("containers/storage makes %s, the layer's digest is %s", got, diffID)
	}
	if got, _ := l.Size(ctx); got != size {
		t.Errorf("size %d, want %d", got, size)
	}
}

func TestLayerTarIsTheSameEachTime(t *testing.T) {
	s := newStore(t)
	l := messyLayer(t, s)
	lower, err := s.LayerChain(l.Parent)
	check(t, err)
	var a, b bytes.Buffer
	check(t, layertar.Write(ctx, &a, l.Dir, lower), layertar.Write(ctx, &b, l.Dir, lower))
	if !bytes.Equal(a.Bytes(), b.Bytes()) {
		t.Error("two tars differ")
	}
}

func TestStageTakesTheRootsAttributes(t *testing.T) {
	s := newStore(t)
	g, err := s.StageLayer(nil)
	check(t, err)
	check(t, os.Chmod(g.Dir, 0o711), os.Chown(g.Dir, 3, 4))
	l, err := g.Commit(ctx, CommitOptions{})
	check(t, err)
	top := layer(t, s, l.ID, files{"x": ""})
	var st unix.Stat_t
	check(t, unix.Stat(top.Dir, &st))
	if st.Mode&0o7777 != 0o711 || st.Uid != 3 || st.Gid != 4 {
		t.Errorf("root has mode %o, owner %d:%d", st.Mode&0o7777, st.Uid, st.Gid)
	}
}

func TestStagesAreLeased(t *testing.T) {
	s := newStore(t)
	kept, err := s.StageLayer(nil)
	check(t, err)
	gone, err := s.StageLayer(nil)
	check(t, err)
	check(t, gone.Discard(), gone.Discard())
	if _, err := gone.Commit(ctx, CommitOptions{}); err == nil {
		t.Error("a discarded stage was committed")
	}
	abandoned, err := s.StageLayer(nil)
	check(t, err)
	abandoned.lease.Abandon()
	if _, err := another(t, s).library(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(abandoned.Dir); !os.IsNotExist(err) {
		t.Errorf("an abandoned stage is still there: %v", err)
	}
	if _, err := os.Stat(kept.Dir); err != nil {
		t.Errorf("a stage in use was removed: %v", err)
	}
	check(t, kept.Discard(), s.Close())
	if names := leftovers(t, s); len(names) != 0 {
		t.Errorf("left: %v", names)
	}
}

// A digest that was not recorded, because its process was killed, is computed again by whoever asks.
func TestDigestOfAKilledBuild(t *testing.T) {
	s := newStore(t)
	l := layer(t, s, "", files{"a": "1"})
	want, err := l.WaitDiffID(ctx)
	check(t, err)
	o := another(t, s)
	again, err := o.Layer(l.ID)
	check(t, err)
	got, err := again.WaitDiffID(ctx)
	check(t, err)
	if got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	check(t, o.Close())
	snap, err := s.dir.Read()
	check(t, err)
	if snap.Layers[l.ID].DiffID != want {
		t.Errorf("recorded %+v", snap.Layers[l.ID])
	}
}

func TestRemoveLayerKeepsWhatIsNeeded(t *testing.T) {
	s := newStore(t)
	bottom := layer(t, s, "", files{"a": ""})
	top := layer(t, s, bottom.ID, files{"b": ""})
	check(t, s.RemoveLayer(ctx, bottom.ID))
	if !s.HasLayer(top.ID) {
		t.Fatal("a layer below another was removed")
	}
	check(t, s.RemoveLayer(ctx, top.ID), s.RemoveLayer(ctx, bottom.ID), s.RemoveLayer(ctx, bottom.ID))
	if s.HasLayer(top.ID) || s.HasLayer(bottom.ID) {
		t.Error("layers are still there")
	}
	if _, err := s.Layer(top.ID); !errors.Is(err, ErrNoLayer) {
		t.Errorf("Layer: %v", err)
	}
}

func TestCommitOnAMissingParent(t *testing.T) {
	s := newStore(t)
	g, err := s.StageLayer(nil)
	check(t, err)
	if _, err := g.Commit(ctx, CommitOptions{Parent: strings.Repeat("0", 64)}); !errors.Is(err, ErrNoLayer) {
		t.Errorf("got %v", err)
	}
	if names := leftovers(t, s); len(names) != 0 {
		t.Errorf("left: %v", names)
	}
}

// What Prepare makes for a layer goes away again when the layer does not come about, and serves every layer that does.
func TestPrepare(t *testing.T) {
	left := func(s *Store) []string {
		entries, err := os.ReadDir(s.leases())
		check(t, err)
		var names []string
		for _, e := range entries {
			names = append(names, e.Name())
		}
		return names
	}
	s := newStore(t)
	g, err := s.StageLayer(nil)
	check(t, err)
	s.Prepare()
	s.Prepare()
	check(t, g.Discard(), s.Close())
	if names := left(s); len(names) > 0 {
		t.Errorf("left: %q", names)
	}
	s = another(t, s)
	s.Prepare()
	s.builds.running.Wait()
	session := s.builds.session
	if s.lib == nil || session == nil {
		t.Fatal("nothing is prepared")
	}
	l := layer(t, s, "", files{"a": "A"})
	if s.builds.session != session {
		t.Error("what was prepared was not used")
	}
	_, err = s.CreateImage(ctx, ImageSpec{Config: config("x"), Layers: []*Layer{l}, Names: []string{"a"}})
	check(t, err, s.Close())
	if names := left(s); len(names) > 0 {
		t.Errorf("left: %q", names)
	}
}

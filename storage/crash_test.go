package storage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"codeberg.org/hoy/hoy/storage/layertar"
	"golang.org/x/sys/unix"
)

// thorough says whether to try every moment of a crash, which takes minutes, or a sample.
func thorough() bool { return os.Getenv("HOY_TEST_THOROUGH") != "" }

// actionEnv makes the test binary do one thing to the store of a directory, and end: "action directory archive".
const actionEnv = "HOY_TEST_ACTION"

// act does it. What it leaves must be whole, whenever it is killed.
func act(words []string) error {
	dir, archive := words[1], words[2]
	s, err := Open(Options{Root: filepath.Join(dir, "root"), Run: filepath.Join(dir, "run"), Rootless: rootless()})
	if err != nil {
		return err
	}
	switch words[0] {
	case "load":
		f, err := os.Open(archive)
		if err != nil {
			return err
		}
		_, err = s.Load(ctx, f, LoadOptions{})
		return err
	case "build":
		return errors.Join(actBuild(s), s.Close())
	case "remove":
		_, err := s.Remove(ctx, "box", RemoveOptions{})
		return err
	}
	return fmt.Errorf("no action %q", words[0])
}

func actBuild(s *Store) error {
	data, err := os.ReadFile("/bin/busybox")
	if err != nil {
		return err
	}
	var layers []*Layer
	parent := ""
	for i := range 3 {
		g, err := s.StageLayer(nil)
		if err != nil {
			return err
		}
		s.Prepare()
		if err := os.WriteFile(filepath.Join(g.Dir, fmt.Sprint("file", i)), data, 0o755); err != nil {
			return err
		}
		l, err := g.Commit(ctx, CommitOptions{Parent: parent})
		if err != nil {
			return err
		}
		layers, parent = append(layers, l), l.ID
	}
	_, err = s.CreateImage(ctx, ImageSpec{Config: config("x"), Layers: layers, Names: []string{"box"}})
	return err
}

// action is the command that does it.
func action(t testing.TB, words ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	check(t, err)
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), actionEnv+"="+strings.Join(words, " "))
	return cmd
}

// archiveFile writes an archive with the image box, for "load".
func archiveFile(t testing.TB) string {
	t.Helper()
	s := newStore(t)
	busybox(t, s, "box")
	file := filepath.Join(t.TempDir(), "box.tar")
	check(t, os.WriteFile(file, saveAll(t, s, SaveOptions{}, "box"), 0o644))
	return file
}

// whole fails the test unless every image of the store has all its layers, and their files give the digests recorded.
func whole(t testing.TB, s *Store) {
	t.Helper()
	snap, err := s.dir.Read()
	check(t, err)
	for _, rec := range snap.Images {
		if len(rec.Names) == 0 {
			continue // nobody was told of it; it goes away with the next write, or was untagged
		}
		img, err := s.image(snap, rec)
		if err != nil {
			t.Fatalf("image %v: %v", rec.Names, err)
		}
		for i, diffID := range img.DiffIDs {
			id := img.LayerIDs[len(img.LayerIDs)-1-i]
			got, _, err := digestOf(s, id)
			if err != nil || got != diffID {
				t.Fatalf("image %v: layer %s is %s, want %s: %v", rec.Names, short(id), got, diffID, err)
			}
		}
	}
}

func digestOf(s *Store, id string) (string, int64, error) {
	chain, err := s.chain(id)
	if err != nil {
		return "", 0, err
	}
	dir, err := os.Open(s.dir.Diff(id))
	if err != nil {
		return "", 0, err
	}
	defer dir.Close()
	return layertar.Source{Dir: dir, Lower: s.diffs(chain[1:])}.Digest(context.Background(), nil)
}

// TestKilled kills an action at its N-th call of a kind, for every N, and looks at what it leaves.
func TestKilled(t *testing.T) {
	if _, err := exec.LookPath("strace"); err != nil {
		t.Skip("needs strace")
	}
	archive := archiveFile(t)
	step := 15
	if thorough() {
		step = 1
	}
	for _, kind := range []string{"build", "load", "remove"} {
		for _, calls := range []string{"/rename.*", "/unlink.*", "fsync,fdatasync,syncfs", "/mkdir.*"} {
			t.Run(kind+" "+calls, func(t *testing.T) {
				for n := 1; killedAt(t, kind, archive, calls, n); n += step {
				}
			})
		}
	}
}

// killedAt says whether the action was killed. An action that was not has made fewer such calls.
func killedAt(t *testing.T, kind, archive, calls string, n int) bool {
	dir := t.TempDir()
	defer os.RemoveAll(dir)
	if kind == "remove" {
		out, err := action(t, "load", dir, archive).CombinedOutput()
		if err != nil {
			t.Fatalf("load: %s", out)
		}
	}
	cmd := action(t, kind, dir, archive)
	inject := fmt.Sprintf("inject=%s:signal=SIGKILL:when=%d", calls, n)
	cmd.Args = []string{"strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=" + calls, "-e", inject, cmd.Path}
	cmd.Path, _ = exec.LookPath("strace")
	out, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState.ExitCode() == 1 && bytes.Contains(out, []byte("ptrace")) {
		t.Skipf("strace: %s", out)
	}
	killed := err != nil
	s := storeIn(t, dir)
	whole(t, s)
	if _, err := s.library(); err != nil { // the next writer heals
		t.Fatalf("%s, %d: %v", calls, n, err)
	}
	whole(t, s)
	again := kind
	if kind == "remove" {
		again = "load"
	}
	if out, err := action(t, again, dir, archive).CombinedOutput(); err != nil {
		t.Fatalf("%s, %d: again: %s", calls, n, out)
	}
	whole(t, s)
	if _, err := s.Image(ctx, "box"); err != nil {
		t.Fatalf("%s, %d: %v", calls, n, err)
	}
	healed(t, s, calls, n)
	return killed
}

// healed fails the test when there is more in the store than the image needs.
func healed(t *testing.T, s *Store, calls string, n int) {
	t.Helper()
	if names := leftovers(t, s); len(names) != 0 {
		t.Errorf("%s, %d: left %v", calls, n, names)
	}
	snap, err := s.dir.Read()
	check(t, err)
	for _, rec := range snap.Images {
		if rec.ManifestDigest() == "" {
			t.Errorf("%s, %d: left an image without a manifest", calls, n)
		}
	}
	for _, l := range snap.Layers {
		if !l.Complete() {
			t.Errorf("%s, %d: left an incomplete layer", calls, n)
		}
	}
	dirs, err := os.ReadDir(filepath.Join(string(s.dir), "overlay"))
	check(t, err)
	for _, d := range dirs {
		if len(d.Name()) == 64 && snap.Layers[d.Name()] == nil {
			t.Errorf("%s, %d: left the files of a layer", calls, n)
		}
	}
}

// disk makes an ext4 file system in a file and mounts it. powerCut takes its power away and mounts a copy of what is then on it:
// a copy, because a mount namespace that somebody else made meanwhile may keep the old one.
func disk(t *testing.T, megabytes int) (dir string, powerCut func()) {
	t.Helper()
	if os.Getuid() != 0 || rootless() {
		t.Skip("needs root and loop devices")
	}
	file, dir := filepath.Join(t.TempDir(), "disk"), t.TempDir()
	check(t, os.WriteFile(file, nil, 0o600), os.Truncate(file, int64(megabytes)<<20))
	mount := func() {
		if out, err := exec.Command("mount", "-o", "loop", file, dir).CombinedOutput(); err != nil {
			t.Skipf("cannot mount a loop device: %s", out)
		}
	}
	if out, err := exec.Command("mkfs.ext4", "-q", "-F", file).CombinedOutput(); err != nil {
		t.Skipf("mkfs.ext4: %s", out)
	}
	mount()
	unmount := func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Errorf("cannot unmount the test disk: %v", err)
			unix.Unmount(dir, unix.MNT_DETACH)
		}
	}
	t.Cleanup(unmount)
	return dir, func() {
		shutdown(t, dir)
		unmount()
		if out, err := exec.Command("cp", "--sparse=always", file, file+"2").CombinedOutput(); err != nil {
			t.Fatalf("%s", out)
		}
		file += "2"
		mount()
	}
}

// shutdown stops the file system without writing its log: FS_IOC_SHUTDOWN with EXT4_GOING_FLAGS_NOLOGFLUSH.
func shutdown(t *testing.T, dir string) {
	t.Helper()
	const ioctlShutdown, noLogFlush = 0x8004587d, 2
	d, err := os.Open(dir)
	check(t, err)
	defer d.Close()
	check(t, unix.IoctlSetPointerInt(int(d.Fd()), ioctlShutdown, noLogFlush))
}

func TestPowerCutAfterSuccess(t *testing.T) {
	archive := archiveFile(t)
	for _, kind := range []string{"build", "load"} {
		t.Run(kind, func(t *testing.T) {
			dir, powerCut := disk(t, 100)
			if out, err := action(t, kind, dir, archive).CombinedOutput(); err != nil {
				t.Fatalf("%s", out)
			}
			powerCut()
			os.RemoveAll(filepath.Join(dir, "run"))
			s := storeIn(t, dir)
			whole(t, s)
			if _, err := s.Image(ctx, "box"); err != nil {
				t.Errorf("what was done is lost: %v", err)
			}
		})
	}
}

func TestPowerCutAtAnyTime(t *testing.T) {
	archive := archiveFile(t)
	cuts := 4
	if thorough() {
		cuts = 12
	}
	for _, kind := range []string{"build", "load"} {
		for i := range cuts {
			t.Run(fmt.Sprintf("%s after %d ms", kind, i*144/cuts), func(t *testing.T) {
				dir, powerCut := disk(t, 100)
				cmd := action(t, kind, dir, archive)
				cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
				check(t, cmd.Start())
				time.Sleep(time.Duration(i*144/cuts) * time.Millisecond)
				syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
				err := cmd.Wait()
				time.Sleep(20 * time.Millisecond) // until its helpers have ended too
				powerCut()
				cutOff(t, dir)
				s := storeIn(t, dir)
				whole(t, s)
				if err == nil {
					if _, err := s.Image(ctx, "box"); err != nil {
						t.Errorf("what was done is lost: %v", err)
					}
				}
				if out, err := action(t, kind, dir, archive).CombinedOutput(); err != nil {
					t.Fatalf("again: %s", out)
				}
				whole(t, s)
				if _, err := s.Image(ctx, "box"); err != nil {
					t.Error(err)
				}
				healed(t, s, "power cut", i)
			})
		}
	}
}

// cutOff makes the journals look like those of another boot, and the run directory empty, as after a power cut.
func cutOff(t *testing.T, dir string) {
	t.Helper()
	os.RemoveAll(filepath.Join(dir, "run"))
	files, err := filepath.Glob(filepath.Join(dir, "root/storage/hoy/*/journal.json"))
	check(t, err)
	for _, file := range files {
		content := strings.ReplaceAll(mustRead(t, file), bootID(), "another-boot")
		check(t, os.WriteFile(file, []byte(content), 0o600))
	}
}

func TestFullDisk(t *testing.T) {
	archive := archiveFile(t)
	for _, kind := range []string{"build", "load"} {
		t.Run(kind, func(t *testing.T) {
			dir, _ := disk(t, 12)
			fill(t, filepath.Join(dir, "ballast"), 3<<20)
			cmd := action(t, kind, dir, archive)
			out, err := cmd.CombinedOutput()
			text := strings.TrimSpace(string(out))
			if err == nil || !strings.Contains(text, ErrNoSpace.Error()) || strings.Contains(text, "\n") {
				t.Errorf("%v: %s", err, out)
			}
			s := storeIn(t, dir)
			if images, err := s.Images(ctx); err != nil || len(images) != 0 {
				t.Errorf("images %v, %v", images, err)
			}
			if _, err := s.library(); err != nil {
				t.Errorf("on the full disk: %v", err)
			}
			check(t, os.Remove(filepath.Join(dir, "ballast")))
			if kind == "load" {
				noTrace(t, s)
			}
		})
	}
}

// fill writes a file until so many bytes are left.
func fill(t *testing.T, file string, left uint64) {
	t.Helper()
	var st unix.Statfs_t
	check(t, unix.Statfs(filepath.Dir(file), &st))
	f, err := os.Create(file)
	check(t, err)
	defer f.Close()
	check(t, unix.Fallocate(int(f.Fd()), 0, 0, int64(st.Bfree*uint64(st.Bsize)-left)))
}

// Images can be removed when nothing can be written any more.
func TestRemoveOnAFullDisk(t *testing.T) {
	archive := archiveFile(t)
	dir, _ := disk(t, 30)
	if out, err := action(t, "load", dir, archive).CombinedOutput(); err != nil {
		t.Fatalf("%s", out)
	}
	f, err := os.Create(filepath.Join(dir, "filler"))
	check(t, err)
	data := make([]byte, 64<<10)
	for err == nil {
		_, err = f.Write(data)
	}
	for err = nil; err == nil; { // the last bytes
		_, err = f.Write(data[:512])
	}
	check(t, f.Close())
	if out, err := action(t, "remove", dir, archive).CombinedOutput(); err != nil {
		t.Fatalf("%s", out)
	}
	noTrace(t, storeIn(t, dir))
}

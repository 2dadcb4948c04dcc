package monitor

import (
	"context"
	"errors"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"
)

func testPlace(t *testing.T) Place {
	t.Helper()
	dir := t.TempDir()
	return Place{Root: dir + "/root", Run: dir + "/run", ID: "c0ffee"}
}

func mustLock(t *testing.T, p Place) *os.File {
	t.Helper()
	f, err := p.Lock()
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestLockOfOne(t *testing.T) {
	p := testPlace(t)
	if p.Kept() {
		t.Error("kept before anybody took the lock")
	}
	first := mustLock(t, p)
	if _, err := p.Lock(); !errors.Is(err, ErrLocked) {
		t.Errorf("second lock: %v", err)
	}
	if !p.Kept() {
		t.Error("not kept")
	}
	first.Close()
	if p.Kept() {
		t.Error("kept after the end")
	}
	mustLock(t, p).Close()
}

// A lock file that was removed is no lock: the next one makes its own.
func TestLockRemoved(t *testing.T) {
	p := testPlace(t)
	first := mustLock(t, p)
	defer first.Close()
	RemoveRunDir(p)
	second := mustLock(t, p)
	defer second.Close()
	if !p.Kept() {
		t.Error("not kept")
	}
}

func TestWaitReleased(t *testing.T) {
	p := testPlace(t)
	if err := p.WaitReleased(t.Context()); err != nil {
		t.Fatal(err)
	}
	f := mustLock(t, p)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := p.WaitReleased(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("held: %v", err)
	}
	done := make(chan error)
	go func() { done <- p.WaitReleased(context.WithoutCancel(ctx)) }()
	f.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestRunDirOfOthers(t *testing.T) {
	dir := t.TempDir()
	os.Symlink("/tmp", dir+"/link")
	if err := MakeRunDir(dir + "/link"); err == nil {
		t.Error("a link was taken for the run directory")
	}
	os.Mkdir(dir+"/open", 0o777)
	if err := MakeRunDir(dir + "/open"); err != nil {
		t.Error(err)
	}
	if st, err := os.Stat(dir + "/open"); err != nil || st.Mode().Perm() != 0o700 {
		t.Errorf("mode %v, %v", st.Mode(), err)
	}
	if os.Geteuid() != 0 {
		return
	}
	os.Mkdir(dir+"/theirs", 0o700)
	os.Chown(dir+"/theirs", 1, 1)
	if err := MakeRunDir(dir + "/theirs"); err == nil {
		t.Error("another user's directory was taken for the run directory")
	}
}

// The directory of one who holds the lock is nobody else's to remove, whoever has just given it up.
func TestRemoveRunDirRace(t *testing.T) {
	p := testPlace(t)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for done := 0; done < 100; {
				lock, err := p.Lock()
				if errors.Is(err, ErrLocked) {
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				done++
				if err := os.WriteFile(p.RunFile("file"), nil, 0o600); err != nil {
					t.Error(err)
				}
				runtime.Gosched()
				if _, err := os.Stat(p.RunFile("file")); err != nil {
					t.Error(err)
				}
				if err := RemoveRunDir(p); err != nil {
					t.Error(err)
				}
				lock.Close()
			}
		})
	}
	wg.Wait()
	if left, _ := os.ReadDir(p.Run); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

package lease

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func list(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func nothing(string) error { return nil }

func TestSweepKeepsWhatIsHeld(t *testing.T) {
	base := filepath.Join(t.TempDir(), "leases")
	held, err := New(base)
	if err != nil {
		t.Fatal(err)
	}
	if err := Sweep(base, nothing); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(held.Dir); err != nil {
		t.Fatalf("a held lease was swept: %v", err)
	}
	if err := held.Release(); err != nil {
		t.Fatal(err)
	}
	if names := list(t, base); len(names) != 0 {
		t.Fatalf("left after release: %v", names)
	}
}

func TestSweepRemovesGarbage(t *testing.T) {
	base := t.TempDir()
	abandoned, err := New(base)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(abandoned.Dir, "blob"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	abandoned.lock.Close() // as the kernel does for a killed process
	if err := os.Mkdir(filepath.Join(base, "nolock"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(base, "nodir.lock"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var undone []string
	err = Sweep(base, func(dir string) error {
		undone = append(undone, filepath.Base(dir))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if names := list(t, base); len(names) != 0 {
		t.Fatalf("left after sweep: %v", names)
	}
	if len(undone) != 2 {
		t.Fatalf("undone %v, want the two with a lock file", undone)
	}
}

func TestSweepKeepsWhatCannotBeUndone(t *testing.T) {
	base := t.TempDir()
	l, err := New(base)
	if err != nil {
		t.Fatal(err)
	}
	l.lock.Close()
	failed := errors.New("no")
	if err := Sweep(base, func(string) error { return failed }); !errors.Is(err, failed) {
		t.Fatalf("got %v", err)
	}
	if _, err := os.Stat(l.Dir); err != nil {
		t.Fatal(err)
	}
}

func TestSweepOfNothing(t *testing.T) {
	if err := Sweep(filepath.Join(t.TempDir(), "missing"), nothing); err != nil {
		t.Fatal(err)
	}
}

// TestIdle: a held directory is not idle, an abandoned one and one without a lock are; nothing is removed.
func TestIdle(t *testing.T) {
	base := t.TempDir()
	if idle, err := Idle(filepath.Join(base, "missing")); err != nil || len(idle) > 0 {
		t.Errorf("of nothing: %v, %v", idle, err)
	}
	held, err := New(base)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Release()
	left, err := New(base)
	if err != nil {
		t.Fatal(err)
	}
	left.Abandon()
	bare := filepath.Join(base, "bare")
	if err := os.Mkdir(bare, 0o700); err != nil {
		t.Fatal(err)
	}
	idle, err := Idle(base)
	slices.Sort(idle)
	want := []string{left.Dir, bare}
	slices.Sort(want)
	if err != nil || !slices.Equal(idle, want) {
		t.Errorf("got %v, %v; want %v", idle, err, want)
	}
	if _, err := os.Stat(left.Dir); err != nil {
		t.Error(err)
	}
}

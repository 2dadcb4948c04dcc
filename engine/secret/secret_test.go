package secret

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

func TestCreateRefuses(t *testing.T) {
	s := In(t.TempDir())
	for _, name := range []string{"", ".", "..", "a/b", "a\x00", "-a", "a-", "a=b", "ä", strings.Repeat("x", 65)} {
		if _, err := s.Create(name, []byte("x"), nil, false); err == nil {
			t.Errorf("%q was taken for a name", name)
		}
	}
	for _, size := range []int{0, MaxSize} {
		if _, err := s.Create("name", make([]byte, size), nil, false); err == nil {
			t.Errorf("%d bytes were taken", size)
		}
	}
}

func TestLife(t *testing.T) {
	root := t.TempDir()
	s := In(root)
	if list, err := s.List(); err != nil || len(list) > 0 {
		t.Fatal(list, err)
	}
	made, err := s.Create("db", []byte("old"), map[string]string{"a": "b"}, false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Create("db", []byte("new"), nil, false); !errors.Is(err, ErrInUse) {
		t.Errorf("a second one: %v", err)
	}
	for _, ref := range []string{"db", made.ID, made.ID[:4]} {
		if x, err := s.Find(ref); err != nil || !bytes.Equal(x.Data, []byte("old")) || x.Labels["a"] != "b" {
			t.Errorf("%s: %v, %v", ref, x, err)
		}
	}
	info, err := os.Stat(filepath.Join(root, "secrets", "db"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if _, err := s.Create("db", []byte("new"), nil, true); err != nil {
		t.Error(err)
	}
	if x, err := s.Find("db"); err != nil || string(x.Data) != "new" {
		t.Error(x, err)
	}
	if err := s.Remove("db"); err != nil {
		t.Error(err)
	}
	if err := s.Remove("db"); !errors.Is(err, ErrNone) {
		t.Errorf("removed twice: %v", err)
	}
	if left, _ := os.ReadDir(filepath.Join(root, "secrets")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// One of many that take a name at once gets it.
func TestCreateRace(t *testing.T) {
	s := In(t.TempDir())
	var won atomic.Int32
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			if _, err := s.Create("one", []byte("x"), nil, false); err == nil {
				won.Add(1)
			} else if !errors.Is(err, ErrInUse) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Errorf("%d won", won.Load())
	}
}

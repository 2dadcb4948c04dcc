package storage

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestVolumeNames(t *testing.T) {
	for name, want := range map[string]bool{
		"": false, "a": false, "ab": true, "a.b_c-d": true, "A1": true, "1a": true, ".ab": false, "-ab": false, "_ab": false,
		"a/b": false, "..": false, "a b": false, "ä1": false, "a\n": false, strings.Repeat("a", 256): false,
	} {
		if got := validVolumeName(name); got != want {
			t.Errorf("%q: %v", name, got)
		}
	}
}

func TestVolumes(t *testing.T) {
	s := storeIn(t, t.TempDir())
	if list, err := s.Volumes(); err != nil || len(list) != 0 {
		t.Fatalf("%v, %v", list, err)
	}
	if _, err := s.CreateVolume("bad/name", nil); !errors.Is(err, ErrBadVolumeName) {
		t.Errorf("bad name: %v", err)
	}
	b, err := s.CreateVolume("bb", map[string]string{"k": "v"})
	check(t, err)
	check(t, os.WriteFile(filepath.Join(b.Path, "file"), []byte("x"), 0o644))
	again, err := s.CreateVolume("bb", nil)
	check(t, err)
	if !again.Created.Equal(b.Created) || again.Labels["k"] != "v" || mustRead(t, filepath.Join(s.VolumePath("bb"), "file")) != "x" {
		t.Errorf("made again: %+v", again)
	}
	anonymous, err := s.CreateVolume("", nil)
	check(t, err)
	if !anonymous.Anonymous || len(anonymous.Name) != 64 {
		t.Errorf("anonymous: %+v", anonymous)
	}
	list, err := s.Volumes()
	check(t, err)
	if len(list) != 2 || list[0].Name > list[1].Name {
		t.Errorf("list %v", list)
	}
	if err := s.RemoveVolume("bb", func(string) []string { return []string{"web"} }); !errors.Is(err, ErrVolumeInUse) {
		t.Errorf("in use: %v", err)
	}
	check(t, s.RemoveVolume("bb", nil))
	if _, err := s.Volume("bb"); !errors.Is(err, ErrNoVolume) {
		t.Errorf("removed: %v", err)
	}
	if err := s.RemoveVolume("bb", nil); !errors.Is(err, ErrNoVolume) {
		t.Errorf("removed twice: %v", err)
	}
	entries, err := os.ReadDir(s.volumes())
	if err != nil || len(entries) != 1 {
		t.Errorf("left %v, %v", entries, err)
	}
}

func TestAVolumeWithABrokenRecordCanBeRemoved(t *testing.T) {
	s := storeIn(t, t.TempDir())
	_, err := s.CreateVolume("vv", nil)
	check(t, err)
	check(t, os.WriteFile(filepath.Join(s.volumes(), "vv", "meta.json"), nil, 0o600))
	if _, err := s.Volume("vv"); err == nil || errors.Is(err, ErrNoVolume) {
		t.Errorf("got %v", err)
	}
	check(t, s.RemoveVolume("vv", nil))
}

func TestVolumesAtOnce(t *testing.T) {
	s := storeIn(t, t.TempDir())
	results := make(chan *Volume)
	for range 16 {
		go func() {
			v, err := s.CreateVolume("vv", nil)
			if err != nil {
				t.Error(err)
			}
			results <- v
		}()
	}
	first := <-results
	for range 15 {
		if v := <-results; v == nil || !v.Created.Equal(first.Created) {
			t.Errorf("two volumes of one name: %+v, %+v", first, v)
		}
	}
	if entries, _ := os.ReadDir(s.volumes()); len(entries) != 1 {
		t.Errorf("left %v", entries)
	}
}

package storage

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"time"

	"codeberg.org/hoy/hoy/storage/records"
)

// cacheVersion is part of a cache file's content; files of another version are not used.
const cacheVersion = 1

// cached is the content of a cache file: what a reference, or a layer's id, meant when the record files were those of State. The
// files lie in the run directory and are gone after a boot.
type cached struct {
	Version   int
	Ref       string
	Dir       records.Dir
	State     records.State
	ID        string
	Names     []string
	Digest    string
	Size      int64
	LayerIDs  []string
	RawConfig []byte
}

func (s *Store) cacheFile(ref string) string {
	sum := sha256.Sum256([]byte(string(s.dir) + "\x00" + ref))
	return filepath.Join(s.options.Run, "images", hex.EncodeToString(sum[:16]))
}

// recall gives what was remembered of ref when the record files were the same as now, or nil.
func (s *Store) recall(ref string, state records.State) *cached {
	data, err := os.ReadFile(s.cacheFile(ref))
	if err != nil {
		return nil
	}
	var c cached
	if json.Unmarshal(data, &c) != nil {
		return nil
	}
	if c.Version != cacheVersion || c.Ref != ref || c.Dir != s.dir || c.State != state {
		return nil
	}
	return &c
}

// image is what the reference meant, or nil.
func (c *cached) image(s *Store) *Image {
	if c == nil {
		return nil
	}
	img := &Image{ID: c.ID, Names: c.Names, Digest: c.Digest, Size: c.Size, LayerIDs: c.LayerIDs, RawConfig: c.RawConfig}
	if s.complete(img) != nil {
		return nil
	}
	return img
}

// remember writes the cache file. Whatever goes wrong costs only time, so nothing is reported.
func (s *Store) remember(c cached) {
	if !c.State.Settled(time.Now()) {
		return // one more change in the same tick of the clock would not show
	}
	c.Version, c.Dir = cacheVersion, s.dir
	data, err := json.Marshal(c)
	if err != nil {
		return
	}
	path := s.cacheFile(c.Ref)
	if os.MkdirAll(filepath.Dir(path), 0o700) != nil {
		return
	}
	temp, err := os.CreateTemp(filepath.Dir(path), ".new-")
	if err != nil {
		return
	}
	_, err = temp.Write(data)
	if temp.Close() != nil || err != nil || os.Rename(temp.Name(), path) != nil {
		os.Remove(temp.Name())
	}
}

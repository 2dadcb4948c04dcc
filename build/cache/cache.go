// Package cache keeps what builds have done: one small immutable file for each key, and one builder for each key at a time.
//
// Readers take no lock and writers never wait for each other: a record is written beside its place and renamed, and what a
// reader cannot read or the store no longer has is a miss.
package cache

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// recordVersion is written into every record and mixed into every key: a change of either format makes all older records misses.
const recordVersion = 1

// Cache is the directory <root>/build/v1.
type Cache struct {
	dir string
}

// Open opens the cache below hoy's root directory, making its directories when they are missing, and removes what killed builds left.
func Open(root string) (*Cache, error) {
	c := &Cache{dir: filepath.Join(root, "build", "v1")}
	for _, sub := range []string{"k", "lock", "mnt", "stat", "tmp", "src"} {
		if err := os.MkdirAll(filepath.Join(c.dir, sub), 0o700); err != nil {
			return nil, err
		}
	}
	c.sweep()
	return c, nil
}

// Record says what a step gave.
type Record struct {
	Version int       `json:"version"`
	Layer   string    `json:"layer"`  // the layer's id
	Parent  string    `json:"parent"` // the id of the layer below it; "" for none
	ID      string    `json:"id"`     // identity of the root it gave: what the keys of the steps after it are made of
	Created time.Time `json:"created"`
	Step    string    `json:"step"` // the instruction, for people
}

// Key names what a step consumes: the hash of a domain ("run", "copy" …) and of v as JSON, whose structs have a fixed order and
// whose maps encoding/json sorts.
func Key(domain string, v any) (string, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("key of %s: %w", domain, err)
	}
	h := sha256.New()
	fmt.Fprintf(h, "hoy build %d\x00%s\x00", recordVersion, domain)
	h.Write(data)
	return hex.EncodeToString(h.Sum(nil)), nil
}

func (c *Cache) recordPath(key string) string { return filepath.Join(c.dir, "k", key[:2], key) }

// Get reads the record of a key; nil when there is none. The caller asks the store whether the layer is there: after an unclean end of
// the machine it may not be.
func (c *Cache) Get(key string) *Record {
	data, err := os.ReadFile(c.recordPath(key))
	if err != nil {
		return nil
	}
	var r Record
	if json.Unmarshal(data, &r) != nil || r.Version != recordVersion || r.Layer == "" || r.ID == "" {
		return nil
	}
	return &r
}

// Put writes a record, in place of an older one.
func (c *Cache) Put(key string, r Record) error {
	r.Version = recordVersion
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	path := c.recordPath(key)
	if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return writeFile(path, data)
}

// Drop removes a record whose layer is gone.
func (c *Cache) Drop(key string) { os.Remove(c.recordPath(key)) }

// writeFile puts a file in its place whole.
func writeFile(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}

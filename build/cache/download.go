package cache

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Download is the directory of what was fetched from one address: the file, named by its digest, and what the server said of it.
type Download struct {
	Dir  string
	Meta DownloadMeta // zero when nothing was fetched yet
}

// DownloadMeta is what is known of a fetched file.
type DownloadMeta struct {
	Sum      string `json:"sum"` // sha256 of its content, hexadecimal: its name
	ETag     string `json:"etag,omitempty"`
	Modified string `json:"modified,omitempty"` // Last-Modified as the server wrote it
}

// Download opens the directory of an address and keeps other builds from it until release is called.
func (c *Cache) Download(ctx context.Context, address string) (d *Download, release func(), err error) {
	sum := sha256.Sum256([]byte(address))
	d = &Download{Dir: filepath.Join(c.dir, "src", hex.EncodeToString(sum[:]))}
	if err := os.Mkdir(d.Dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, nil, err
	}
	lock, err := waitFlock(ctx, filepath.Join(d.Dir, "lock"), unix.LOCK_EX, nil)
	if err != nil {
		return nil, nil, err
	}
	if data, err := os.ReadFile(d.metaPath()); err == nil {
		var m DownloadMeta
		if json.Unmarshal(data, &m) == nil && d.has(m.Sum) {
			d.Meta = m
		}
	}
	return d, func() { lock.Close() }, nil
}

func (d *Download) metaPath() string { return filepath.Join(d.Dir, "meta.json") }

func (d *Download) has(sum string) bool {
	_, err := os.Lstat(filepath.Join(d.Dir, filepath.Base(sum)))
	return sum != "" && err == nil
}

// Put takes over a file that was written in the directory, in place of an older one.
func (d *Download) Put(file string, m DownloadMeta) error {
	if err := os.Rename(file, filepath.Join(d.Dir, m.Sum)); err != nil {
		return err
	}
	data, err := json.Marshal(m)
	if err != nil {
		return err
	}
	if err := writeFile(d.metaPath(), data); err != nil {
		return err
	}
	if old := d.Meta.Sum; old != "" && old != m.Sum {
		os.Remove(filepath.Join(d.Dir, old)) // a build that reads it has it open, or reads again
	}
	d.Meta = m
	return nil
}

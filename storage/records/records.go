// Package records reads the image and layer records of containers/storage without its locks.
//
// The library writes every record file beside its place and renames it, so a reader always sees a whole one. Images are read
// before layers, and layers are written before the images that need them: a layer that is missing was removed meanwhile, or is broken.
package records

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// ManifestKey is the name under which an image's manifest is kept.
const ManifestKey = "manifest"

// Image is what containers/storage records of an image (overlay-images/images.json).
type Image struct {
	ID             string            `json:"id"`
	Digest         string            `json:"digest"` // of the manifest; often only in BigDataDigests
	Names          []string          `json:"names"`
	TopLayer       string            `json:"layer"` // "" for an image without layers
	BigDataDigests map[string]string `json:"big-data-digests"`
	Created        time.Time         `json:"created"`
}

// ManifestDigest is the digest of the image's manifest, or "" when the image has none: its writer was killed.
func (i *Image) ManifestDigest() string {
	if d := i.BigDataDigests[ManifestKey]; d != "" {
		return d
	}
	return i.Digest
}

// Layer is what containers/storage records of a layer (overlay-layers/layers.json).
type Layer struct {
	ID       string         `json:"id"`
	Parent   string         `json:"parent"`
	DiffID   string         `json:"diff-digest"` // sha256:… of its tar; "" when not computed yet
	DiffSize int64          `json:"diff-size"`   // bytes of its tar
	Created  time.Time      `json:"created"`
	Flags    map[string]any `json:"flags"`
}

// Complete says whether the layer was written to its end.
func (l *Layer) Complete() bool {
	incomplete, _ := l.Flags["incomplete"].(bool)
	return !incomplete
}

// State tells versions of the record files apart.
type State struct {
	Images, Layers, Volatile File
}

// File identifies one version of a file; it is zero for a missing one.
type File struct {
	Dev, Ino    uint64
	Size, Mtime int64 // bytes, nanoseconds
}

// Settled says whether the files are old enough at the time now for any later change to show in their times: the kernel's
// clock for them is coarse (git's "racy" rule).
func (s State) Settled(now time.Time) bool {
	newest := max(s.Images.Mtime, s.Layers.Mtime, s.Volatile.Mtime)
	return now.UnixNano()-newest > int64(50*time.Millisecond)
}

// Snapshot is all records at one time.
type Snapshot struct {
	State  State
	Images []*Image
	Layers map[string]*Layer
}

// Dir is the directory of a store, containers/storage's graph root.
type Dir string

// Diff is the directory of a layer's files.
func (d Dir) Diff(layer string) string { return filepath.Join(string(d), "overlay", layer, "diff") }

// LayersFile is the file of the layers' records.
func (d Dir) LayersFile() string { return filepath.Join(string(d), "overlay-layers", "layers.json") }

// ImagesFile is the file of the images' records.
func (d Dir) ImagesFile() string { return filepath.Join(string(d), "overlay-images", "images.json") }

// TarSplit is the file that says how to make a layer's tar from its files; it may be missing.
func (d Dir) TarSplit(layer string) string {
	return filepath.Join(string(d), "overlay-layers", layer+".tar-split.gz")
}

// BigData is the file of an image's data item.
func (d Dir) BigData(image, key string) string {
	return filepath.Join(string(d), "overlay-images", image, baseName(key))
}

// baseName is makeBigDataBaseName of containers/storage's store.go.
func baseName(key string) string {
	for _, c := range []byte(key) {
		if c != '.' && (c < '0' || c > '9') && (c < 'a' || c > 'z') {
			return "=" + base64.StdEncoding.EncodeToString([]byte(key))
		}
	}
	return key
}

// Stat asks for the present version of the record files.
func (d Dir) Stat() (State, error) {
	var s State
	for path, f := range map[string]*File{
		d.ImagesFile(): &s.Images,
		d.LayersFile(): &s.Layers,
		filepath.Join(string(d), "overlay-layers", "volatile-layers.json"): &s.Volatile,
	} {
		if err := f.stat(path); err != nil {
			return s, err
		}
	}
	return s, nil
}

func (f *File) stat(path string) error {
	var st unix.Stat_t
	switch err := unix.Stat(path, &st); {
	case errors.Is(err, unix.ENOENT):
		return nil
	case err != nil:
		return fmt.Errorf("stat %s: %w", path, err)
	}
	*f = File{Dev: st.Dev, Ino: st.Ino, Size: st.Size, Mtime: st.Mtim.Nano()}
	return nil
}

// attempts is how often Read begins again while others write.
const attempts = 10

// Read reads all records. A store that does not exist yet has none.
func (d Dir) Read() (*Snapshot, error) {
	for try := 1; ; try++ {
		before, err := d.Stat()
		if err != nil {
			return nil, err
		}
		snap, err := d.readOnce()
		if err != nil {
			return nil, err
		}
		after, err := d.Stat()
		if err != nil {
			return nil, err
		}
		if snap.State = before; before == after || try == attempts {
			return snap, nil
		}
	}
}

func (d Dir) readOnce() (*Snapshot, error) {
	snap := &Snapshot{Layers: map[string]*Layer{}}
	if err := readJSON(d.ImagesFile(), &snap.Images); err != nil {
		return nil, err
	}
	for _, name := range []string{"layers.json", "volatile-layers.json"} {
		var layers []*Layer
		if err := readJSON(filepath.Join(string(d), "overlay-layers", name), &layers); err != nil {
			return nil, err
		}
		for _, l := range layers {
			snap.Layers[l.ID] = l
		}
	}
	return snap, nil
}

// readJSON reads a record file; a missing or empty one holds no records, as for containers/storage itself.
func readJSON(path string, v any) error {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if len(data) == 0 {
		return nil
	}
	if err := json.Unmarshal(data, v); err != nil {
		return fmt.Errorf("parse %s: %w", path, err)
	}
	return nil
}

// Chain gives a layer and all below it, top first. It is nil when one of them is missing or incomplete.
func (s *Snapshot) Chain(top string) []*Layer {
	var chain []*Layer
	for id := top; id != ""; {
		l := s.Layers[id]
		if l == nil || !l.Complete() || len(chain) > len(s.Layers) {
			return nil
		}
		chain = append(chain, l)
		id = l.Parent
	}
	return chain
}

package layertar

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/klauspost/compress/gzip"
)

// BenchmarkDigest is that of a layer of 5,000 files of 4 KiB whose content is in memory.
func BenchmarkDigest(b *testing.B) {
	dir, known := b.TempDir(), map[string][]byte{}
	for i := range 5000 {
		name := fmt.Sprintf("tree/%d/%d", i/100, i)
		known[name] = bytes.Repeat([]byte(fmt.Sprintf("%08d", i)), 512)
		check(b, os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755), os.WriteFile(filepath.Join(dir, name), known[name], 0o644))
	}
	f, err := os.Open(dir)
	check(b, err)
	defer f.Close()
	for b.Loop() {
		z, err := gzip.NewWriterLevel(io.Discard, gzip.BestSpeed)
		check(b, err)
		_, _, err = Source{Dir: f, Known: known}.Digest(context.Background(), z)
		check(b, err, z.Close())
	}
}

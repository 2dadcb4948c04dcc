package build

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"codeberg.org/hoy/hoy/storage"
)

// benchWorld is a world whose store is opened anew by each build, as each call of hoy opens it, and is made durable.
func benchWorld(b *testing.B) (root, ctx string, build func(dockerfile string) time.Duration) {
	b.Helper()
	root, ctx = b.TempDir(), b.TempDir()
	return root, ctx, func(dockerfile string) time.Duration {
		must(b, os.WriteFile(filepath.Join(ctx, "Dockerfile"), []byte(dockerfile), 0o644))
		start := time.Now()
		store, err := storage.Open(storage.Options{Root: root, Run: filepath.Join(root, "run"), Rootless: rootless()})
		must(b, err)
		var out strings.Builder
		_, err = Build(b.Context(), Options{
			Store: store, Runner: &fakeRunner{}, Root: root, Rootless: rootless(), Context: ctx,
			Stdout: &out, Stderr: &out, Tags: []string{"x"}, Progress: "plain",
		})
		if err != nil {
			b.Fatalf("%v\n%s", err, out.String())
		}
		must(b, store.Close())
		return time.Since(start)
	}
}

// files5000 writes 5,000 files of 4 KiB in 50 directories below dir.
func files5000(b *testing.B, dir string) {
	b.Helper()
	data := make([]byte, 4096)
	for i := range 5000 {
		d := filepath.Join(dir, fmt.Sprintf("d%02d", i/100))
		if i%100 == 0 {
			must(b, os.MkdirAll(d, 0o755))
		}
		copy(data, fmt.Sprint(i))
		must(b, os.WriteFile(filepath.Join(d, fmt.Sprintf("f%04d", i)), data, 0o644))
	}
}

// A COPY of 5,000 files of 4 KiB, with nothing of it in the cache, into a store that is there. Nothing is removed on the way: ext4 passes
// over inodes that were freed in the last minute one by one, and would be measured instead.
func BenchmarkCopy5000(b *testing.B) {
	var took time.Duration
	for b.Loop() {
		b.StopTimer()
		_, ctx, build := benchWorld(b)
		files5000(b, filepath.Join(ctx, "files"))
		build("FROM scratch\nCOPY Dockerfile /\n")
		syscall.Sync()
		b.StartTimer()
		took += build("FROM scratch\nCOPY files /files\n")
	}
	b.ReportMetric(float64(took.Milliseconds())/float64(b.N), "ms/build")
}

// The same COPY with everything in the cache.
func BenchmarkCopy5000Cached(b *testing.B) {
	_, ctx, build := benchWorld(b)
	files5000(b, filepath.Join(ctx, "files"))
	time.Sleep(50 * time.Millisecond) // older than what Digests does not trust
	build("FROM scratch\nCOPY files /files\n")
	for b.Loop() {
		build("FROM scratch\nCOPY files /files\n")
	}
}

// Twenty steps, all of them in the cache.
func BenchmarkCached20(b *testing.B) {
	_, ctx, build := benchWorld(b)
	var df strings.Builder
	df.WriteString("FROM scratch\n")
	for i := range 10 {
		must(b, os.WriteFile(filepath.Join(ctx, fmt.Sprintf("f%d", i)), []byte("x"), 0o644))
		fmt.Fprintf(&df, "COPY f%d /f%d\nRUN write /r%d x\n", i, i, i)
	}
	build(df.String())
	for b.Loop() {
		build(df.String())
	}
}

package storage

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// BenchmarkImage is the lookup that every `run` makes.
func BenchmarkImage(b *testing.B) {
	s := newStore(b)
	makeImage(b, s, files{"a": ""}, "app")
	time.Sleep(60 * time.Millisecond)
	for b.Loop() {
		o, err := Open(s.options)
		check(b, err)
		if _, err := o.Image(ctx, "app"); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkImageUncached is the same after every change of the store, with a hundred images.
func BenchmarkImageUncached(b *testing.B) {
	s := newStore(b)
	for i := range 100 {
		makeImage(b, s, files{fmt.Sprint("f", i): ""}, fmt.Sprint("app", i))
	}
	s.options.Run = "/nonexistent"
	for b.Loop() {
		o, err := Open(s.options)
		check(b, err)
		if _, err := o.Image(ctx, "app50"); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCommit commits a layer of 5,000 files of 4 KiB.
func BenchmarkCommit(b *testing.B) {
	s := newStore(b)
	layer(b, s, "", files{"a": ""}) // opens the library
	data := make([]byte, 4096)
	for b.Loop() {
		b.StopTimer()
		g, err := s.StageLayer(nil)
		check(b, err)
		for i := range 5000 {
			check(b, os.WriteFile(filepath.Join(g.Dir, fmt.Sprint(i)), data, 0o644))
		}
		b.StartTimer()
		l, err := g.Commit(ctx, CommitOptions{})
		check(b, err)
		b.StopTimer()
		start := time.Now()
		_, err = l.WaitDiffID(ctx)
		check(b, err)
		b.ReportMetric(float64(time.Since(start).Microseconds())/1000, "ms-digest")
		b.StartTimer()
	}
}

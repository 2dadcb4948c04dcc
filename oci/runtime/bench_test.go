package runtime_test

import (
	"testing"

	"codeberg.org/hoy/hoy/oci/runtime"
)

// BenchmarkRun is a whole container: overlay root, all namespaces, no network, /bin/true.
func BenchmarkRun(b *testing.B) {
	box := newBox(b)
	for b.Loop() {
		p, err := runtime.Start(box.plan, runtime.StartOptions{})
		if err == nil {
			err = p.Go()
		}
		if err != nil {
			b.Fatal(err)
		}
		if s, err := p.Wait(); err != nil || s.Code != 0 {
			b.Fatal(s, err)
		}
	}
}

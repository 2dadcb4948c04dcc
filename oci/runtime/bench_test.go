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

// BenchmarkExec is one more process in a running container.
func BenchmarkExec(b *testing.B) {
	r := newBox(b).start("true")
	r.plan.Args = []string{"true"}
	for b.Loop() {
		p, err := runtime.Exec(&r.plan, runtime.StartOptions{})
		if err != nil {
			b.Fatal(err)
		}
		if s, err := p.Wait(); err != nil || s.Code != 0 {
			b.Fatal(s, err)
		}
	}
}

// BenchmarkSeal is the part of both that keeps hoy's executable from the container.
func BenchmarkSeal(b *testing.B) {
	for b.Loop() {
		s := runtime.Seal()
		if _, err := s.File(); err != nil {
			b.Fatal(err)
		}
		s.Close()
	}
}

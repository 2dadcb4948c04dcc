package netns

import (
	"testing"
	"time"

	"codeberg.org/hoy/hoy/netns/space"
)

// BenchmarkContainer is what the default network adds to a run as root: a namespace, an endpoint, the name service's sockets, and the way
// back. The first container of a host also makes the bridge and the rules, the last removes them; here each is both.
func BenchmarkContainer(b *testing.B) {
	host, err := space.New()
	if err != nil {
		b.Skip(err)
	}
	defer host.Close()
	n := Open(Options{Root: b.TempDir(), Host: host, Alive: func(string) bool { return true }})
	var made, attached, prepared, detached time.Duration
	for b.Loop() {
		at := time.Now()
		step := func(sum *time.Duration) { *sum += time.Since(at); at = time.Now() }
		ns, err := space.New()
		step(&made)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := n.Attach(Attachment{Container: "c", Name: "c", NetNS: ns, Networks: []Want{{Network: "bridge"}}}); err != nil {
			b.Fatal(err)
		}
		step(&attached)
		inside, err := Prepare(ns, nil)
		if err != nil {
			b.Fatal(err)
		}
		step(&prepared)
		inside.Names.Close()
		if err := n.Detach("c"); err != nil {
			b.Fatal(err)
		}
		step(&detached)
		ns.Close()
	}
	for name, sum := range map[string]time.Duration{"namespace": made, "attach": attached, "prepare": prepared, "detach": detached} {
		b.ReportMetric(float64(sum.Microseconds())/float64(b.N), "µs/"+name)
	}
}

// BenchmarkWayOut is what the user-mode network adds to a rootless run before the container can start.
func BenchmarkWayOut(b *testing.B) {
	for b.Loop() {
		ns, err := space.New()
		if err != nil {
			b.Skip(err)
		}
		w, err := NewWayOut(ns, "")
		if err != nil {
			b.Fatal(err)
		}
		w.Device.Close()
		ns.Close()
	}
}

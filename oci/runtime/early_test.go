package runtime_test

import (
	"syscall"
	"testing"

	"codeberg.org/hoy/hoy/oci/runtime"
)

// TestEarlySignals sends signals before the container's command, or its process 1, can have said what it wants of them. hoy's own program, which is
// there at that time, must neither die of them nor lose them.
func TestEarlySignals(t *testing.T) {
	b := newBox(t)
	for range 20 {
		b.plan.Init, b.plan.Args = false, []string{"sh", "-c", "exit 5"}
		p, err := runtime.Start(b.plan, runtime.StartOptions{})
		must(t, err)
		must(t, p.Signal(syscall.SIGTERM)) // process 1 has no handler for it, so the kernel drops it
		must(t, p.Signal(syscall.SIGINT))
		must(t, p.Go())
		if s, err := p.Wait(); err != nil || s.Code != 5 {
			t.Fatalf("before the exec: %+v, %v", s, err)
		}

		b.plan.Init, b.plan.Args = true, []string{"sleep", "1000"}
		p, err = runtime.Start(b.plan, runtime.StartOptions{})
		must(t, err)
		must(t, p.Go())
		must(t, p.Signal(syscall.SIGTERM)) // at the start of hoy's process 1
		if s, err := p.Wait(); err != nil || s.Code != 143 {
			t.Fatalf("process 1: %+v, %v", s, err)
		}
	}
	b.plan.Args = []string{"grep", "-E", "Sig(Ign|Blk)", "/proc/self/status"}
	b.run().want(t, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000")
}

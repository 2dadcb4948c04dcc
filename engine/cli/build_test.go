package cli

import (
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

// A build's heap is collected late only once: the memory of a large one must not grow to many times what it needs.
func TestCollectLater(t *testing.T) {
	t.Setenv("GOGC", "")
	before := debug.SetGCPercent(100)
	defer debug.SetGCPercent(before)
	collectLater()
	if percent := debug.SetGCPercent(1600); percent != 1600 {
		t.Errorf("at first: %d", percent)
	}
	percent := 0
	for range 100 {
		runtime.GC()
		if percent = debug.SetGCPercent(1600); percent == 100 {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Errorf("later: %d", percent)
}

package cli

import (
	"testing"
	"time"

	"codeberg.org/hoy/hoy/cgroups"
	"codeberg.org/hoy/hoy/engine"
)

func TestCPUPercent(t *testing.T) {
	at := func(seconds int, cpu uint64) *engine.Stats {
		return &engine.Stats{Time: time.Unix(int64(seconds), 0), Stats: cgroups.Stats{CPU: cpu}}
	}
	for _, c := range []struct {
		before, now *engine.Stats
		want        float64
	}{
		{nil, at(1, 5), 0},
		{at(1, 5), at(1, 6), 0},
		{at(1, 5), at(2, 4), 0}, // another run of the container
		{at(1, 0), at(3, 1e9), 50},
		{at(1, 0), at(2, 2e9), 200},
	} {
		if got := cpuPercent(c.before, c.now); got != c.want {
			t.Errorf("%+v %+v: %v, want %v", c.before, c.now, got, c.want)
		}
	}
}

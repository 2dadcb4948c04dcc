package main

import (
	"fmt"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// contender is one program doing a row's work in one way.
type contender struct {
	name   string
	before func() error            // not timed, before every run; may be nil
	run    func() error            // timed
	after  func() error            // not timed; may be nil
	meter  func() (float64, error) // what is measured of a run is how much this grows by it, instead of the time; may be nil
	divide float64                 // the measured time is divided by it; 0 means 1
	value  float64                 // a size instead of a time: nothing is run
	skip   string                  // why it cannot run here; the row says so
}

// goal is what the project promises of a row: hoy's median against another contender's.
type goal struct {
	against string
	faster  float64 // hoy is at least so many times faster
	atMost  float64 // hoy takes at most so many times as long
	limit   float64 // hoy's own value is at most this (no other contender)
}

// row is one kind of work. The first contender is hoy.
type row struct {
	name  string
	title string
	unit  string // "ms" or "MB"
	goals []goal
	setup func(b *bench) ([]contender, func(), error) // the second value undoes what the first needs
}

// warmUps is how often each contender runs before it is timed.
const warmUps = 2

// measureRow runs the contenders in turn, each round beginning with another one, and gives their medians.
func (b *bench) measureRow(r row) (result, error) {
	res := result{Name: r.name, Title: r.title, Unit: r.unit}
	cs, undo, err := r.setup(b)
	if undo != nil {
		defer undo()
	}
	if err != nil {
		return res, err
	}
	times := make([][]float64, len(cs))
	for round := range b.runs + warmUps {
		for i := range cs {
			n := (i + round) % len(cs)
			c := &cs[n]
			if c.skip != "" || c.run == nil {
				continue
			}
			ms, err := c.once()
			if err != nil {
				c.skip = err.Error()
				fmt.Fprintf(os.Stderr, "  %s: %v\n", c.name, err)
				continue
			}
			if round >= warmUps {
				times[n] = append(times[n], ms)
			}
		}
	}
	for i, c := range cs {
		res.Values = append(res.Values, c.result(times[i]))
	}
	res.judge(r.goals)
	return res, nil
}

// once gives the milliseconds of one run.
func (c *contender) once() (float64, error) {
	if c.before != nil {
		if err := c.before(); err != nil {
			return 0, fmt.Errorf("prepare: %w", err)
		}
	}
	settle()
	ms, err := c.measure()
	if err != nil {
		return 0, err
	}
	if c.after != nil {
		if err := c.after(); err != nil {
			return 0, fmt.Errorf("tidy: %w", err)
		}
	}
	if c.divide != 0 {
		ms /= c.divide
	}
	return ms, nil
}

func (c *contender) measure() (float64, error) {
	if c.meter == nil {
		start := time.Now()
		err := c.run()
		return float64(time.Since(start).Microseconds()) / 1000, err
	}
	before, err := c.meter()
	if err != nil {
		return 0, err
	}
	if err := c.run(); err != nil {
		return 0, err
	}
	after, err := c.meter()
	return after - before, err
}

// settle writes out what earlier runs have left in memory, so that who syncs next does not wait for others' data.
func settle() {
	d, err := os.Open(os.Getenv(stageEnv))
	if err != nil {
		return
	}
	defer d.Close()
	_ = unix.Syncfs(int(d.Fd()))
}

func (c *contender) result(times []float64) value {
	v := value{Name: c.name, Why: c.skip}
	if c.skip != "" {
		return v
	}
	if c.run == nil {
		v.Median, v.Min, v.Max = c.value, c.value, c.value
		return v
	}
	slices.Sort(times)
	v.Runs = len(times)
	v.Median, v.Min, v.Max = median(times), times[0], times[len(times)-1]
	return v
}

// median takes sorted values.
func median(sorted []float64) float64 {
	n := len(sorted)
	if n == 0 {
		return 0
	}
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// Package health is a container's health check as data: what is run and when, and what the results mean.
//
// Its rules are those of moby's daemon/health.go. The monitor, which runs the checks, is light, so this imports little of the standard library.
package health

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"
)

// Check is an image's HEALTHCHECK, or --health-*. A zero value is inherited from the image, and then Docker's default.
type Check struct {
	Test          []string      `json:"test,omitempty"`  // {"NONE"}, {"CMD", args…} or {"CMD-SHELL", line}
	Shell         []string      `json:"shell,omitempty"` // of CMD-SHELL; empty: /bin/sh -c
	Interval      time.Duration `json:"interval,omitempty"`
	Timeout       time.Duration `json:"timeout,omitempty"`
	StartPeriod   time.Duration `json:"startPeriod,omitempty"`
	StartInterval time.Duration `json:"startInterval,omitempty"`
	Retries       int           `json:"retries,omitempty"`
	OnFailure     string        `json:"onFailure,omitempty"` // of OnFailures (Podman)
	// LogCount and LogSize are how many results are kept, and how many bytes of what each wrote; 0: as many as Docker keeps, -1: all (Podman).
	LogCount int `json:"logCount,omitempty"`
	LogSize  int `json:"logSize,omitempty"`
}

// What is done with a container that becomes unhealthy. Source: Podman, --health-on-failure.
const (
	OnFailureNone    = "none"
	OnFailureKill    = "kill"
	OnFailureRestart = "restart"
	OnFailureStop    = "stop"
)

// OnFailures are all of them.
var OnFailures = []string{OnFailureNone, OnFailureKill, OnFailureRestart, OnFailureStop}

// Docker's defaults.
const (
	defaultInterval      = 30 * time.Second
	defaultTimeout       = 30 * time.Second
	defaultStartInterval = 5 * time.Second
	defaultRetries       = 3
)

// Validate says what is wrong with the numbers, in Docker's words (moby daemon/container.go, validateHealthCheck).
func (c *Check) Validate() error {
	if c == nil {
		return nil
	}
	for _, d := range []struct {
		name  string
		value time.Duration
	}{{"Interval", c.Interval}, {"Timeout", c.Timeout}, {"StartPeriod", c.StartPeriod}, {"StartInterval", c.StartInterval}} {
		if d.value != 0 && d.value < time.Millisecond {
			return fmt.Errorf("%s in Healthcheck cannot be less than 1ms", d.name)
		}
	}
	switch {
	case c.Retries < 0:
		//lint:ignore ST1005 Docker's words
		return errors.New("Retries in Healthcheck cannot be negative")
	case c.OnFailure != "" && !slices.Contains(OnFailures, c.OnFailure):
		return fmt.Errorf("invalid on-failure action for health check: %q: supported actions are none, kill, restart and stop", c.OnFailure)
	}
	return nil
}

// Merge gives the check with what it leaves open as the image says. Either may be nil.
func (c *Check) Merge(image *Check) *Check {
	if c == nil || image == nil {
		if c == nil {
			return image
		}
		return c
	}
	merged := *c
	if len(merged.Test) == 0 {
		merged.Test = image.Test
	}
	for _, d := range []struct{ to, from *time.Duration }{
		{&merged.Interval, &image.Interval}, {&merged.Timeout, &image.Timeout},
		{&merged.StartPeriod, &image.StartPeriod}, {&merged.StartInterval, &image.StartInterval},
	} {
		if *d.to == 0 {
			*d.to = *d.from
		}
	}
	if merged.Retries == 0 {
		merged.Retries = image.Retries
	}
	merged.Shell = image.Shell
	return &merged
}

// Command is what is executed in the container; nil: nothing is checked.
func (c *Check) Command() []string {
	if c == nil || len(c.Test) == 0 {
		return nil
	}
	switch rest := c.Test[1:]; c.Test[0] {
	case "CMD":
		return rest
	case "CMD-SHELL":
		shell := c.Shell
		if len(shell) == 0 {
			shell = []string{"/bin/sh", "-c"}
		}
		return slices.Concat(shell, rest)
	}
	return nil
}

// Limit is how long a check may take.
func (c *Check) Limit() time.Duration { return orElse(c.Timeout, defaultTimeout) }

// The statuses.
const (
	None      = "none"
	Starting  = "starting"
	Healthy   = "healthy"
	Unhealthy = "unhealthy"
)

// Status is what the checks of a container have found. The names in JSON are those of Docker's `inspect`.
type Status struct {
	Status        string
	FailingStreak int
	Log           []Result // the last ones, the oldest first
}

// Result is one check.
type Result struct {
	Start    time.Time
	End      time.Time
	ExitCode int // 0: healthy; -1: it could not be run, or took too long
	Output   string
}

// Docker's limits of the log.
const (
	maxLog    = 5
	maxOutput = 4096
)

// MaxOutput is how much of a check's output is kept, in bytes.
func (c *Check) MaxOutput() int { return kept(c.LogSize, maxOutput) }

// kept is a limit of Check: what is given, the default, or none.
func kept(given, otherwise int) int {
	switch given {
	case 0:
		return otherwise
	case -1:
		return math.MaxInt32
	}
	return given
}

// Next is how long after the last check, or after the start, the next one begins; running is how long the container runs.
func (c *Check) Next(s *Status, running time.Duration) time.Duration {
	if s.Status == Starting && running < c.StartPeriod {
		return orElse(c.StartInterval, defaultStartInterval)
	}
	return orElse(c.Interval, defaultInterval)
}

// Add takes a result in; running is how long the container ran when the check began.
func (s *Status) Add(c *Check, r Result, running time.Duration) {
	s.Log = append(s.Log, r)
	if more := len(s.Log) - kept(c.LogCount, maxLog); more > 0 {
		s.Log = slices.Delete(s.Log, 0, more)
	}
	switch {
	case r.ExitCode == 0:
		s.Status, s.FailingStreak = Healthy, 0
		return
	case s.Status == Starting && running < c.StartPeriod:
		return
	}
	s.FailingStreak++
	retries := c.Retries
	if retries <= 0 {
		retries = defaultRetries
	}
	if s.FailingStreak >= retries {
		s.Status = Unhealthy
	}
}

func orElse(d, otherwise time.Duration) time.Duration {
	if d == 0 {
		return otherwise
	}
	return d
}

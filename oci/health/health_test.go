package health

import (
	"slices"
	"testing"
	"time"
)

func TestValidate(t *testing.T) {
	for want, c := range map[string]*Check{
		"Interval in Healthcheck cannot be less than 1ms":                                                     {Interval: time.Microsecond},
		"Timeout in Healthcheck cannot be less than 1ms":                                                      {Timeout: -1},
		"StartPeriod in Healthcheck cannot be less than 1ms":                                                  {StartPeriod: 1},
		"StartInterval in Healthcheck cannot be less than 1ms":                                                {StartInterval: 1},
		"Retries in Healthcheck cannot be negative":                                                           {Retries: -1},
		`invalid on-failure action for health check: "x": supported actions are none, kill, restart and stop`: {OnFailure: "x"},
		"": {Interval: time.Millisecond, OnFailure: "kill"},
	} {
		got := ""
		if err := c.Validate(); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%+v: %q instead of %q", c, got, want)
		}
	}
	if (*Check)(nil).Validate() != nil {
		t.Error("no check is wrong")
	}
}

func TestMergeAndCommand(t *testing.T) {
	image := &Check{Test: []string{"CMD-SHELL", "a b"}, Shell: []string{"/bin/bash", "-c"}, Interval: time.Second, Retries: 7}
	for _, c := range []struct {
		own     *Check
		image   *Check
		command []string
		retries int
	}{
		{nil, nil, nil, 0},
		{nil, image, []string{"/bin/bash", "-c", "a b"}, 7},
		{&Check{Test: []string{"NONE"}}, image, nil, 7},
		{&Check{Retries: 2}, image, []string{"/bin/bash", "-c", "a b"}, 2},
		{&Check{Test: []string{"CMD", "x", "y"}}, image, []string{"x", "y"}, 7},
		{&Check{Test: []string{"CMD-SHELL", "x"}}, nil, []string{"/bin/sh", "-c", "x"}, 0},
		{&Check{Retries: 2}, nil, nil, 2},
	} {
		got := c.own.Merge(c.image)
		if !slices.Equal(got.Command(), c.command) || got != nil && got.Retries != c.retries {
			t.Errorf("%+v over %+v: %+v", c.own, c.image, got)
		}
	}
}

func TestAdd(t *testing.T) {
	c := &Check{StartPeriod: time.Minute, Retries: 2, Interval: time.Hour}
	s := &Status{Status: Starting}
	for i, step := range []struct {
		code    int
		running time.Duration
		status  string
		streak  int
		next    time.Duration
	}{
		{1, 0, Starting, 0, 5 * time.Second},
		{1, 2 * time.Minute, Starting, 1, time.Hour},
		{-1, 2 * time.Minute, Unhealthy, 2, time.Hour},
		{0, 0, Healthy, 0, time.Hour},
		{9, 0, Healthy, 1, time.Hour},
		{9, 0, Unhealthy, 2, time.Hour},
		{0, 0, Healthy, 0, time.Hour},
	} {
		s.Add(c, Result{ExitCode: step.code}, step.running)
		if s.Status != step.status || s.FailingStreak != step.streak || c.Next(s, step.running) != step.next {
			t.Errorf("step %d: %s %d, next %v", i, s.Status, s.FailingStreak, c.Next(s, step.running))
		}
	}
	if len(s.Log) != 5 || s.Log[0].ExitCode != -1 {
		t.Errorf("log: %+v", s.Log)
	}
}

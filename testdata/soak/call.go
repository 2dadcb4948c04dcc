package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

// result is what a call of hoy gave.
type result struct {
	out, err string // trimmed
	code     int
}

// patience is how long any command may take, on a machine that is busy with fifty containers.
const patience = 60 * time.Second

// call runs hoy. That it takes longer than anything should, or dies of a signal, is wrong.
func (s *soak) call(args ...string) result {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, s.hoy, args...)
	cmd.WaitDelay = 10 * time.Second
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	begin := time.Now()
	err := cmd.Run()
	r := result{out: strings.TrimSpace(out.String()), err: strings.TrimSpace(errOut.String())}
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		s.fail("%q took more than %v", args, patience)
	case errors.As(err, &exit) && exit.ExitCode() < 0:
		s.fail("%q: %v", args, err)
	case err != nil && exit == nil:
		s.fail("%q: %v", args, err)
	}
	if r.code = cmd.ProcessState.ExitCode(); strings.Contains(r.err, "goroutine ") {
		s.fail("%q: %s", args, r.err)
	}
	s.count(args[0])
	if s.verbose {
		fmt.Printf("%s %v %q: %d %s\n", time.Now().Format("15:04:05.000"), time.Since(begin).Round(time.Millisecond), args, r.code, r.err)
	}
	return r
}

// must is call for what has to succeed.
func (s *soak) must(args ...string) string {
	r := s.call(args...)
	if r.code != 0 {
		s.fail("%q: %d %s", args, r.code, r.err)
	}
	return r.out
}

// may is call for what may fail for one of the reasons given, and for none else. What runs in a container that ends is killed with it.
func (s *soak) may(reasons []string, args ...string) result {
	r := s.call(args...)
	if r.code == 0 || args[0] == "exec" && r.code == 137 && r.err == "" && reasons != nil {
		return r
	}
	for _, reason := range reasons {
		if strings.Contains(r.err, reason) {
			return r
		}
	}
	s.fail("%q: %d %s", args, r.code, r.err)
	return r
}

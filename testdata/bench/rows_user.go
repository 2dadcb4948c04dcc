package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// setupFirstAuto compares the first run in a user namespace of a container's own with one without: nothing of an earlier one is remembered.
func setupFirstAuto(b *bench) ([]contender, func(), error) {
	line := func(flags ...string) []string {
		return append(append([]string{"run", "--rm", "--network", "none", "--pull", "never"}, flags...), baseImage, "true")
	}
	auto := b.hoy.contender(line("--userns=auto")...)
	auto.before = func() error {
		known, err := filepath.Glob(b.path("hoy", "root", "cache", "maps-ids-*"))
		for _, name := range append(known, b.path("hoy", "root", "shifted")) {
			os.RemoveAll(name)
		}
		return err
	}
	plain := b.hoy.contender(line()...)
	plain.name = noUserns
	return []contender{auto, plain}, nil, nil
}

const noUserns = "hoy, no user namespace"

// setupRootless compares whole runs of an ordinary user's, without a network.
func setupRootless(b *bench) ([]contender, func(), error) {
	hoy, podman, err := b.asUser()
	podman.name = "podman"
	return []contender{hoy.contender(runTrue...), podman.contender(runTrue...)}, nil, err
}

// setupPeak takes the largest resident set of all processes that a run waits for: the engine's own, and those that it starts.
func setupPeak(b *bench) ([]contender, func(), error) {
	peak := func(name, missing string, env, args []string) contender {
		c := contender{name: name, skip: missing}
		if c.skip != "" {
			return c
		}
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Env = env
		if err := cmd.Run(); err != nil {
			c.skip = err.Error()
			return c
		}
		if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
			c.value = float64(usage.Maxrss) / 1000
		}
		return c
	}
	of := func(e engine) contender {
		return peak(e.name, e.missing, e.env, append(append([]string{}, e.program...), runTrue...))
	}
	cs := []contender{of(b.hoy)}
	if b.peers {
		dir, err := b.bundle(true)
		if err != nil {
			return nil, nil, err
		}
		for _, rt := range []string{"crun", "runc"} {
			cs = append(cs, peak(rt, "", b.environ(), []string{rt, "--root", b.path(rt), "run", "--bundle", dir, "peak"}))
		}
	}
	return append(cs, of(b.podman)), nil, nil
}

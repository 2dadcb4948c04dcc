package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
)

var runTrue = []string{"run", "--rm", "--network", "none", "--pull", "never", baseImage, "true"}

// setupRun compares whole runs with the two runtimes that the other engines call, each on a prepared bundle that asks for what hoy's run does.
func setupRun(b *bench) ([]contender, func(), error) {
	cs := []contender{b.hoy.contender(runTrue...)}
	if b.peers {
		cs = append(cs, b.bundles()...)
	}
	return append(cs, b.podman.contender(runTrue...), b.docker.contender(runTrue...)), nil, nil
}

// setupOCIRun compares the OCI runtimes on the same bundles.
func setupOCIRun(b *bench) ([]contender, func(), error) {
	var cs []contender
	for _, seccomp := range []bool{true, false} {
		c := contender{name: "hoy"}
		if !seccomp {
			c.name += " without seccomp"
		}
		dir, err := b.bundle(seccomp)
		if err != nil {
			return nil, nil, err
		}
		c.run = runBundle(b, []string{os.Getenv("BENCH_HOY"), "oci", "--root", b.path("oci")}, dir)
		cs = append(cs, c)
	}
	if b.peers {
		cs = append(cs, b.bundles()...)
	}
	return cs, nil, nil
}

// setupExec keeps one container of every engine running.
func setupExec(b *bench) ([]contender, func(), error) {
	var cs []contender
	var undo []func()
	for _, e := range []engine{b.hoy, b.podman, b.docker} {
		if e.missing == "" {
			err := e.command("run", "-d", "--name", "execbench", "--network", "none", "--pull", "never", baseImage, "sleep", "100000")
			if err != nil {
				e.missing = err.Error()
			} else {
				undo = append(undo, func() { e.command("rm", "-f", "execbench") })
			}
		}
		cs = append(cs, e.contender("exec", "execbench", "true"))
	}
	return cs, func() { callAll(undo) }, nil
}

func callAll(fs []func()) {
	for _, f := range fs {
		f()
	}
}

// setupSixteen compares sixteen runs at once with what sixteen runs one after another take on as many cores.
func setupSixteen(b *bench) ([]contender, func(), error) {
	const n = 16
	atOnce := func(e engine) contender {
		return contender{name: e.name, skip: e.missing, run: func() error { return parallel(n, func() error { return e.command(runTrue...) }) }}
	}
	serial := contender{
		name:   "hoy, one after another, divided by the cores",
		divide: float64(runtime.NumCPU()),
		run: func() error {
			for range n {
				if err := b.hoy.command(runTrue...); err != nil {
					return err
				}
			}
			return nil
		},
	}
	return []contender{atOnce(b.hoy), serial, atOnce(b.podman), atOnce(b.docker)}, nil, nil
}

// parallel calls f n times at once.
func parallel(n int, f func() error) error {
	errs := make(chan error, n)
	for range n {
		go func() { errs <- f() }()
	}
	var all []error
	for range n {
		all = append(all, <-errs)
	}
	return errors.Join(all...)
}

// setupThousand compares a store that holds 1,000 stopped containers with one that holds none.
func setupThousand(b *bench) ([]contender, func(), error) {
	full := b.hoyAt("full")
	if err := full.buildBase(b.path("base")); err != nil {
		return nil, nil, err
	}
	for i := range 1000 {
		// The first is run to its end, so that one kind of stopped container is there as well as the other.
		args := []string{"create", "--name", fmt.Sprint("c", i), "--network", "none", baseImage, "true"}
		if i%10 == 0 {
			args[0] = "run"
		}
		if err := full.command(args...); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", strings.Join(args, " "), err)
		}
	}
	c := full.contender(runTrue...)
	empty := b.hoy.contender(runTrue...)
	empty.name = "hoy, empty store"
	return []contender{c, empty}, nil, nil
}

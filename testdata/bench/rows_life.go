package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// setupMemory starts one idle container of every engine and takes the proportional set size of every process that it brought, but for
// the container's own. Docker's daemons, which are there anyhow, do not count.
func setupMemory(b *bench) ([]contender, func(), error) {
	var cs []contender
	var undo []func()
	idle := func(e engine, name string, args ...string) {
		c := contender{name: name, skip: e.missing}
		if c.skip == "" {
			undo = append(undo, func() { e.command("rm", "-f", "idlebench") })
			var err error
			if c.value, err = e.idle(args...); err != nil {
				c.skip = err.Error()
			}
			undo[len(undo)-1]() // the names of hoy's containers are the same
		}
		cs = append(cs, c)
	}
	idle(b.hoy, "hoy", "--network", "none")
	idle(b.hoy, "hoy, default network")
	idle(b.podman, "podman (conmon)", "--network", "none")
	idle(b.docker, "docker (its shim)", "--network", "none")
	return cs, func() { callAll(undo) }, nil
}

// idle starts a container and gives the megabytes of the processes that keep it.
func (e engine) idle(args ...string) (float64, error) {
	before, err := processes()
	if err != nil {
		return 0, err
	}
	run := append([]string{"run", "-d", "--name", "idlebench", "--pull", "never"}, args...)
	if err := e.command(append(run, baseImage, "sleep", "100001")...); err != nil {
		return 0, err
	}
	time.Sleep(2 * time.Second)
	after, err := processes()
	if err != nil {
		return 0, err
	}
	sum, keepers := 0, 0
	for _, pid := range after {
		cmdline, err := os.ReadFile(filepath.Join("/proc", pid, "cmdline"))
		if err != nil || len(cmdline) == 0 || bytes.HasPrefix(cmdline, []byte("sleep\x00")) || slices.Contains(before, pid) {
			continue
		}
		kb, err := pss(pid)
		if err != nil {
			return 0, err
		}
		sum, keepers = sum+kb, keepers+1
	}
	if keepers == 0 {
		return 0, fmt.Errorf("%s: no process keeps the container", e.name)
	}
	return float64(sum) / 1000, nil
}

func processes() ([]string, error) {
	entries, err := os.ReadDir("/proc")
	var pids []string
	for _, e := range entries {
		if _, err := strconv.Atoi(e.Name()); err == nil {
			pids = append(pids, e.Name())
		}
	}
	return pids, err
}

// pss is a process's proportional set size in kilobytes.
func pss(pid string) (int, error) {
	data, err := os.ReadFile(filepath.Join("/proc", pid, "smaps_rollup"))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(data), "\nPss:")
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		return 0, fmt.Errorf("process %s has no Pss", pid)
	}
	return strconv.Atoi(fields[0])
}

// setupPs lists as many stopped containers with each engine as podman makes in a bearable time.
func setupPs(b *bench) ([]contender, func(), error) {
	const n = 1000
	full := b.hoyAt("listed")
	if err := full.buildBase(b.path("base")); err != nil {
		return nil, nil, err
	}
	var cs []contender
	for _, e := range []engine{full, b.podman} {
		if e.missing == "" {
			if err := e.createMany(n); err != nil {
				e.missing = err.Error()
			}
		}
		cs = append(cs, e.contender("ps", "-a"))
	}
	return cs, func() {
		if b.podman.missing == "" {
			b.podman.command("rm", "-a", "-f")
		}
	}, nil
}

func (e engine) createMany(n int) error {
	for i := range n {
		err := e.command("create", "--name", fmt.Sprint("listed", i), "--network", "none", "--pull", "never", baseImage, "true")
		if err != nil {
			return err
		}
	}
	return nil
}

// setupLogs prints a log of 100 MB that the container wrote, and compares with cat of the file that holds it.
func setupLogs(b *bench) ([]contender, func(), error) {
	const script = `yes "a line of a log that is as long as lines of logs often are, which is about a hundred bytes or so" | head -c 100000000`
	var cs []contender
	var undo []func()
	for _, e := range []engine{b.hoy, b.podman, b.docker} {
		if e.missing == "" {
			undo = append(undo, func() { e.command("rm", "-f", "logbench") })
			err := e.command("run", "--name", "logbench", "--network", "none", "--pull", "never", baseImage, "sh", "-c", script)
			if err != nil {
				e.missing = err.Error()
			}
		}
		cs = append(cs, e.contender("logs", "logbench"))
	}
	file, err := biggest(b.path("hoy", "root"))
	if err != nil {
		return nil, func() { callAll(undo) }, err
	}
	cat := contender{name: "cat of hoy's log file", run: func() error { return runQuiet(b.environ(), []string{"cat", file}) }}
	return append(cs, cat), func() { callAll(undo) }, nil
}

// biggest finds the biggest file of a tree.
func biggest(dir string) (path string, err error) {
	size := int64(-1)
	err = filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		st, err := d.Info()
		if err == nil && st.Size() > size {
			path, size = p, st.Size()
		}
		return err
	})
	return path, err
}

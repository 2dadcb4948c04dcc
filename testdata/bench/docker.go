package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// daemon is a Docker daemon in a network namespace of its own, with its data in the run's directory.
type daemon struct {
	cmd  *exec.Cmd
	done chan error
}

// newDocker starts the daemon and builds the base image in it.
func (b *bench) newDocker() engine {
	e := engine{name: "docker", program: []string{"/usr/bin/docker"}}
	if err := os.MkdirAll(b.path("docker"), 0o755); err != nil {
		e.missing = err.Error()
		return e
	}
	socket := "unix://" + b.path("docker", "sock")
	e.env = b.environ("DOCKER_HOST="+socket, "DOCKER_BUILDKIT=0")
	d, err := startDaemon(b, socket)
	if err != nil {
		e.missing = err.Error()
		return e
	}
	b.daemon = d
	if err := d.waitReady(e); err != nil {
		e.missing = err.Error()
		return e
	}
	if err := e.buildBase(b.path("base")); err != nil {
		e.missing = err.Error()
	}
	return e
}

// buildKit is the same daemon, building with BuildKit instead of the classic builder.
func (b *bench) buildKit() engine {
	e := b.docker
	e.name = "docker (BuildKit)"
	e.env = append(append([]string{}, e.env...), "DOCKER_BUILDKIT=1")
	return e
}

func startDaemon(b *bench, socket string) (*daemon, error) {
	log, err := os.Create(b.path("docker", "log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command("dockerd", "-H", socket, "--data-root", b.path("docker", "data"), "--exec-root", b.path("docker", "exec"),
		"-p", b.path("docker", "pid"), "--storage-driver", "overlay2", "--exec-opt", "native.cgroupdriver=cgroupfs",
		"--bridge", "none", "--iptables=false", "--ip-forward=false")
	cmd.Env = b.environ()
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("dockerd: %w", err)
	}
	d := &daemon{cmd: cmd, done: make(chan error, 1)}
	go func() { d.done <- cmd.Wait() }()
	return d, nil
}

// waitReady waits until the daemon answers.
func (d *daemon) waitReady(e engine) error {
	for range 100 {
		if e.command("version") == nil {
			return nil
		}
		select {
		case err := <-d.done:
			d.done <- err
			return fmt.Errorf("dockerd stopped: %v", err)
		case <-time.After(200 * time.Millisecond):
		}
	}
	return errors.New("dockerd did not answer within 20 s")
}

func (d *daemon) stop() {
	d.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-d.done:
	case <-time.After(20 * time.Second):
		d.cmd.Process.Kill()
		<-d.done
	}
}

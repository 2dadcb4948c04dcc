package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// The lab is a host in a network namespace of its own, on which the engines run, and another machine on a cable: 198.51.100.1 here, .2 there. On
// the host there is a plain bridge with one namespace on it, 10.250.0.2: what the kernel does without any engine.
const (
	labHost, labWorld, labPlain = "benchhost", "benchworld", "benchplain"
	hostAddress, worldAddress   = "198.51.100.1", "198.51.100.2"
	plainAddress                = "10.250.0.2"
)

var labCommands = `
ip netns add benchhost
ip netns add benchworld
ip netns add benchplain
ip -n benchhost link set lo up
ip -n benchworld link set lo up
ip -n benchplain link set lo up
ip -n benchhost link add wan type veth peer name wan netns benchworld
ip -n benchhost addr add 198.51.100.1/24 dev wan
ip -n benchworld addr add 198.51.100.2/24 dev wan
ip -n benchhost link set wan up
ip -n benchworld link set wan up
ip -n benchhost route add default via 198.51.100.2
ip -n benchworld route add default via 198.51.100.1
ip -n benchhost link add plain0 type bridge
ip -n benchhost addr add 10.250.0.1/24 dev plain0
ip -n benchhost link set plain0 up
ip -n benchhost link add plain1 type veth peer name eth0 netns benchplain
ip -n benchhost link set plain1 master plain0
ip -n benchhost link set plain1 up
ip -n benchplain addr add 10.250.0.2/24 dev eth0
ip -n benchplain link set eth0 up
ip -n benchplain route add default via 10.250.0.1
ip netns exec benchhost sysctl -qw net.ipv4.ip_forward=1`

// openLab makes the lab once. The run directory that the namespaces are named in is the sandbox's own.
func (b *bench) openLab() error {
	if b.lab {
		return nil
	}
	for line := range strings.Lines(strings.TrimSpace(labCommands)) {
		if err := runQuiet(b.environ(), strings.Fields(line)); err != nil {
			return fmt.Errorf("%s: %w", strings.TrimSpace(line), err)
		}
	}
	for _, ns := range []string{labWorld, labPlain} {
		if err := b.startPeer(ns); err != nil {
			return err
		}
	}
	b.lab = true
	return nil
}

func (b *bench) closeLab() {
	for _, p := range b.peersRunning {
		p.Process.Kill()
		p.Wait()
	}
	for _, ns := range []string{labHost, labWorld, labPlain} {
		if b.lab {
			runQuiet(b.environ(), []string{"ip", "netns", "del", ns})
		}
	}
}

// startPeer runs this program as the server of the measurements in a namespace.
func (b *bench) startPeer(ns string) error {
	cmd := exec.Command("/proc/self/exe", peerRole, ":9000")
	cmd.Env = b.environ()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // see runQuiet
	err := within(ns, cmd.Start)
	if err == nil {
		b.peersRunning = append(b.peersRunning, cmd)
		err = awaitPeer(ns, "127.0.0.1:9000")
	}
	return err
}

// within calls f on a thread in the namespace of that name: what f starts or dials is there.
func within(ns string, f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // for good: the thread ends with the goroutine
		file, err := os.Open("/run/netns/" + ns)
		if err == nil {
			err = unix.Setns(int(file.Fd()), unix.CLONE_NEWNET)
			file.Close()
		}
		if err == nil {
			err = f()
		}
		done <- err
	}()
	return <-done
}

// patience is how long one measurement may take.
const patience = 30 * time.Second

// dialFrom connects from a namespace.
func dialFrom(ns, address string) (c net.Conn, err error) {
	err = within(ns, func() error {
		d := net.Dialer{Timeout: 5 * time.Second}
		d.SetMultipathTCP(false)
		if c, err = d.Dial("tcp", address); err == nil {
			err = c.SetDeadline(time.Now().Add(patience))
		}
		return err
	})
	return c, err
}

// awaitPeer waits until the server at an address answers.
func awaitPeer(ns, address string) error {
	var err error
	for start := time.Now(); time.Since(start) < patience; time.Sleep(50 * time.Millisecond) {
		if _, err = ask(ns, address, "ping"); err == nil {
			return nil
		}
	}
	return fmt.Errorf("no answer of %s: %w", address, err)
}

// inLab is the engine on the lab's host.
func (e engine) inLab() engine {
	e.ns = labHost
	return e
}

package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// slot is a place for one container after another. What is done to them is done by its live alone, so it knows what they have to be doing.
type slot struct {
	soak *soak
	name string
	rand *rand.Rand
	kind kind
	id   string

	mu      sync.Mutex
	allowed []string // statuses; nil: anything, or gone
	version int      // of allowed
}

// kind is what a container is like.
type kind struct {
	name    string
	args    []string
	command []string
	again   bool // its policy starts it again when it is killed
	flaps   bool // it ends by itself, all the time
	gone    bool // --rm
}

var (
	sleeper = []string{"sleep", "10000"}
	kinds   = []kind{
		{name: "steady", command: sleeper},
		{name: "volumes", args: []string{"-v", "/anonymous", "--init"}, command: sleeper},
		{name: "always", args: []string{"--restart", "always"}, command: sleeper, again: true},
		{name: "unless", args: []string{"--restart", "unless-stopped", "--health-cmd", "true", "--health-interval", "300ms"}, command: sleeper, again: true},
		{name: "flaps", args: []string{"--restart", "on-failure"}, command: []string{"sh", "-c", "echo again; sleep 0.$(($$ % 9)); exit 1"}, again: true, flaps: true},
		{name: "talks", args: []string{"--log-opt", "max-size=20k", "--log-opt", "max-file=3", "--log-opt", "compress=true", "--restart", "always"},
			command: []string{"sh", "-c", "while :; do echo one line of a log that is turned over; echo and another >&2; sleep 0.02; done"}, again: true},
		{name: "sick", args: []string{"--health-cmd", "test ! -e /dev/shm/sick", "--health-interval", "200ms", "--health-retries", "1", "--health-on-failure", "restart", "--stop-timeout", "0"},
			command: []string{"sh", "-c", "sleep $(($RANDOM % 5)); touch /dev/shm/sick; sleep 10000"}, flaps: true},
		{name: "removed", args: []string{"--rm", "-v", "/anonymous"}, command: sleeper, gone: true},
	}
)

// live makes containers and removes them until the time is up.
func (l *slot) live() {
	for !l.soak.over() {
		l.kind = kinds[l.rand.IntN(len(kinds))]
		l.begin()
		for range 3 + l.rand.IntN(20) {
			if l.soak.over() || !l.step() {
				break
			}
			time.Sleep(time.Duration(l.rand.IntN(400)) * time.Millisecond)
		}
		l.end()
	}
}

// expect says what the container may be doing from now on.
func (l *slot) expect(statuses ...string) {
	l.mu.Lock()
	l.allowed, l.version = statuses, l.version+1
	l.mu.Unlock()
}

func (l *slot) expected() ([]string, int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.allowed, l.version
}

func (l *slot) begin() {
	l.expect()
	network := "none"
	if l.rand.IntN(4) == 0 {
		network = "bridge"
	}
	args := slices.Concat([]string{"run", "-d", "--name", l.name, "--network", network, "--label", "soak=" + l.kind.name}, l.kind.args, []string{"busybox"}, l.kind.command)
	l.id = l.soak.must(args...)
	l.runs()
}

// runs expects the container to do what it does when it is left alone.
func (l *slot) runs() {
	switch {
	case l.kind.name == "sick":
		l.expect("running", "restarting")
	case l.kind.flaps:
		l.expect("running", "restarting")
	default:
		l.expect("running")
	}
}

func (l *slot) end() {
	l.expect()
	args := []string{"rm", "-f", "-v", l.name}
	l.soak.must(args...)
	if r := l.soak.call("inspect", l.name); r.code == 0 {
		l.soak.fail("%s is there after %q", l.name, args)
	}
}

// between are the reasons for which a command may fail on a container that ends by itself.
var between = []string{"is restarting", "is not running", "restarting container", "No such container", "hoy-exec", "no such process", "stopped container"}

// reasons are those of this container.
func (l *slot) reasons() []string {
	if l.kind.flaps {
		return append(between, "container's process", "setns", "the container has ended", "join")
	}
	return nil
}

// step does one thing. It says no when the container is gone.
func (l *slot) step() bool {
	s := l.soak
	switch n := l.rand.IntN(20); n {
	case 0, 1, 2:
		s.may(l.reasons(), "exec", l.name, "sh", "-c", "echo hello >/tmp/x || echo hello >/dev/shm/x")
	case 3, 4:
		l.copy()
	case 5:
		s.must("logs", "--tail", "5", l.name)
	case 6:
		l.followAndKill("logs", "-f", l.name)
	case 7:
		l.followAndKill("attach", "--no-stdin", l.name)
	case 8:
		s.must("rename", l.name, l.name+"x")
		s.must("rename", l.name+"x", l.name)
	case 9, 10:
		return l.stopAndStart()
	case 11:
		l.expect()
		s.must("restart", "-t", "0", l.name)
		l.runs()
	case 12, 13:
		return l.killContainer()
	case 14, 15, 16:
		l.killMonitor(false)
	case 17:
		return l.afterKill(l.killMonitor(true), l.kind.again)
	case 18:
		l.status()
	case 19:
		s.call("ps", "-q")
	}
	return true
}

// copy copies a file there and back.
func (l *slot) copy() {
	dir := filepath.Join(l.soak.dir, "copies")
	os.MkdirAll(dir, 0o755)
	there, back := filepath.Join(dir, l.name), filepath.Join(dir, l.name+".back")
	text := strings.Repeat(strconv.Itoa(l.rand.IntN(1e9))+"\n", 1+l.rand.IntN(1000))
	os.WriteFile(there, []byte(text), 0o644)
	if r := l.soak.may(l.reasons(), "cp", there, l.name+":/copied"); r.code != 0 {
		return
	}
	if r := l.soak.may(l.reasons(), "cp", l.name+":/copied", back); r.code != 0 {
		return
	}
	if got, err := os.ReadFile(back); err != nil || string(got) != text {
		l.soak.fail("%s: %d bytes were copied, %d came back, %v", l.name, len(text), len(got), err)
	}
}

func (l *slot) stopAndStart() bool {
	l.expect()
	l.soak.must("stop", "-t", strconv.Itoa(l.rand.IntN(2)), l.name)
	if l.kind.gone {
		return l.afterEnd()
	}
	l.expect("exited")
	l.status()
	time.Sleep(time.Duration(l.rand.IntN(300)) * time.Millisecond)
	l.expect()
	l.soak.must("start", l.name)
	l.runs()
	l.status()
	return true
}

// status asks, as the watcher does.
func (l *slot) status() string {
	allowed, _ := l.expected()
	r := l.soak.call("inspect", "-f", "{{.State.Status}} {{.State.Pid}}", l.name)
	status, pid, _ := strings.Cut(r.out, " ")
	if allowed != nil && (r.code != 0 || !slices.Contains(allowed, status)) {
		l.soak.fail("%s (%s) is %q, %s instead of %v", l.name, l.kind.name, r.out, r.err, allowed)
	}
	if status == "running" && pid == "0" {
		l.soak.fail("%s runs without a process", l.name)
	}
	return status
}

// killContainer kills the container's process from outside.
func (l *slot) killContainer() bool {
	pid := l.pid()
	if pid == 0 {
		return true
	}
	l.expect()
	kill(pid)
	l.soak.count("kill a container")
	return l.afterKill(pid, l.kind.again)
}

// afterKill waits until the container is what it has to be after its process was killed: for a moment that is still seen to run.
func (l *slot) afterKill(killed int, again bool) bool {
	if l.kind.gone {
		return l.afterEnd()
	}
	want := "exited"
	if again {
		want = "running"
	}
	for end := time.Now().Add(patience); ; {
		r := l.soak.call("inspect", "-f", "{{.State.Status}} {{.State.ExitCode}} {{.State.Pid}}", l.name)
		status, rest, _ := strings.Cut(r.out, " ")
		code, pid, _ := strings.Cut(rest, " ")
		if status == want && pid != strconv.Itoa(killed) {
			if want == "exited" && code != "137" && code != "255" && !l.kind.flaps {
				l.soak.fail("%s was killed and has the exit code %s", l.name, code)
			}
			break
		}
		if l.kind.flaps && again && status == "restarting" { // its back-off is long by now
			break
		}
		if l.kind.name == "sick" && status != "exited" && pid != strconv.Itoa(killed) { // its health check may start it again at that very moment
			break
		}
		if time.Now().After(end) {
			l.soak.fail("%s (%s) was killed and is %q %s", l.name, l.kind.name, r.out, r.err)
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if !again {
		l.soak.must("start", l.name)
	}
	l.runs()
	return true
}

// afterEnd waits until a container with --rm is gone.
func (l *slot) afterEnd() bool {
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		if r := l.soak.call("inspect", l.name); r.code != 0 {
			return false
		}
		if time.Now().After(end) {
			l.soak.fail("%s has ended and is not gone", l.name)
			return false
		}
	}
}

func (l *slot) pid() int {
	r := l.soak.call("inspect", "-f", "{{.State.Pid}}", l.name)
	pid, _ := strconv.Atoi(r.out)
	return pid
}

// killMonitor kills the container's monitor, and with both the container at once.
func (l *slot) killMonitor(both bool) (pid int) {
	monitor := l.soak.monitor(l.id)
	if both {
		pid = l.pid()
		l.expect()
	}
	kill(monitor)
	kill(pid)
	l.soak.count("kill a monitor")
	if !both {
		l.status()
	}
	return pid
}

func (l *slot) String() string { return fmt.Sprintf("%s (%s)", l.name, l.kind.name) }

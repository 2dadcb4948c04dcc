package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// watch looks at all containers, over and over, until the time is up: what ps says of one must be allowed before and after.
func (s *soak) watch(list []*slot) {
	for !s.over() {
		type known struct {
			allowed []string
			version int
		}
		before := map[string]known{}
		for _, l := range list {
			allowed, version := l.expected()
			before[l.name] = known{allowed, version}
		}
		r := s.call("ps", "-a", "--format", "{{.Names}} {{.State}}")
		if r.code != 0 {
			s.fail("ps: %d %s", r.code, r.err)
		}
		seen := map[string]string{}
		for line := range strings.Lines(r.out) {
			name, state, _ := strings.Cut(strings.TrimSpace(line), " ")
			seen[name] = state
		}
		for _, l := range list {
			k := before[l.name]
			_, version := l.expected()
			state, there := seen[l.name]
			if k.allowed == nil || version != k.version || !there { // it is being renamed, or something is being done to it
				continue
			}
			if !slices.Contains(k.allowed, state) {
				s.fail("ps says that %s is %s instead of %v", l, state, k.allowed)
			}
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// followAndKill begins to follow something, and kills the client.
func (l *slot) followAndKill(args ...string) {
	cmd := exec.Command(l.soak.hoy, args...)
	if err := cmd.Start(); err != nil {
		l.soak.fail("%q: %v", args, err)
		return
	}
	time.Sleep(time.Duration(l.rand.IntN(300)) * time.Millisecond)
	cmd.Process.Kill()
	cmd.Wait()
	l.soak.count(args[0] + ", and kill it")
}

func kill(pid int) {
	if pid > 1 {
		syscall.Kill(pid, syscall.SIGKILL)
	}
}

// monitor is the process id of a container's monitor; 0: it has none now.
func (s *soak) monitor(id string) int {
	found := 0
	eachProcess(func(pid int, args []string) {
		if len(args) > 3 && strings.HasPrefix(args[0], "hoy-monitor") && args[3] == id {
			found = pid
		}
	})
	return found
}

func eachProcess(do func(pid int, args []string)) {
	names, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(name)))
		do(pid, strings.Split(strings.TrimRight(string(data), "\x00"), "\x00"))
	}
}

// leftovers looks for what must not be there when all containers are gone.
func (s *soak) leftovers() {
	if out := s.must("ps", "-a", "-q"); out != "" {
		s.fail("containers are left: %s", out)
		s.call(append([]string{"rm", "-f"}, strings.Fields(out)...)...)
	}
	s.must("volume", "prune", "-f")
	var left []string
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(100 * time.Millisecond) { // what ends in the background has some time
		left = slices.Concat(s.processes(), s.mounts(), s.groups(), s.files(), s.newLinks())
		if len(left) == 0 || time.Now().After(end) {
			break
		}
	}
	for _, one := range left {
		s.fail("left: %s", one)
	}
	if r := s.call("system", "check"); r.code != 0 {
		s.fail("system check: %s %s", r.out, r.err)
	}
}

// processes are those that have to do with this run: by their words, or by their environment.
func (s *soak) processes() []string {
	var left []string
	eachProcess(func(pid int, args []string) {
		if pid == os.Getpid() {
			return
		}
		env, _ := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
		if strings.Contains(strings.Join(args, " "), s.dir) || strings.Contains(string(env), "HOY_ROOT="+s.dir) {
			left = append(left, fmt.Sprintf("process %d %q", pid, args))
		}
	})
	return left
}

func (s *soak) mounts() []string {
	data, _ := os.ReadFile("/proc/self/mountinfo")
	var left []string
	for line := range strings.Lines(string(data)) {
		if strings.Contains(line, s.dir) {
			left = append(left, "mount "+strings.TrimSpace(line))
		}
	}
	return left
}

// groups are control groups named after a container of this run.
func (s *soak) groups() []string {
	var left []string
	for _, depth := range []string{"*", "*/*", "*/*/*", "*/*/*/*"} {
		names, _ := filepath.Glob("/sys/fs/cgroup/" + depth)
		for _, name := range names {
			if base := filepath.Base(name); strings.Contains(base, "hoy-") && s.made(base) {
				left = append(left, "control group "+name)
			}
		}
	}
	return left
}

// made says whether a name has a container's id in it that the events of this run know.
func (s *soak) made(name string) bool {
	log, _ := os.ReadFile(filepath.Join(s.dir, "root/events/log"))
	for word := range strings.FieldsFuncSeq(name, func(r rune) bool { return !strings.ContainsRune("0123456789abcdef", r) }) {
		if len(word) == 64 && strings.Contains(string(log), word) {
			return true
		}
	}
	return false
}

// files are those of containers and volumes: none of either is there any more.
func (s *soak) files() []string {
	var left []string
	for _, pattern := range []string{
		"root/containers/*", "root/containers/names/*", "root/containers/garbage/*", "root/volumes/*", "run/*/lock", "run/*/attach.sock",
	} {
		names, _ := filepath.Glob(filepath.Join(s.dir, pattern))
		for _, name := range names {
			if base := filepath.Base(name); base != "names" && base != "garbage" {
				left = append(left, name)
			}
		}
	}
	names, _ := filepath.Glob(filepath.Join(s.dir, "root/networks/*.live"))
	for _, name := range names {
		if data, err := os.ReadFile(name); err == nil && strings.TrimSpace(string(data)) != "{}" {
			left = append(left, name+": "+string(data))
		}
	}
	return left
}

// links are the host's network links.
func links() []string {
	names, _ := filepath.Glob("/sys/class/net/*")
	return names
}

// newLinks are links of hoy's that were not there before.
func (s *soak) newLinks() []string {
	var left []string
	for _, name := range links() {
		if strings.HasPrefix(filepath.Base(name), "hoy") && !slices.Contains(s.before, name) {
			left = append(left, "link "+name)
		}
	}
	return left
}

package raw

import (
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// reap waits for a child and gives its exit code, or -1.
func reap(t *testing.T, pid int) int {
	t.Helper()
	var ws syscall.WaitStatus
	if _, err := syscall.Wait4(pid, &ws, 0, nil); err != nil {
		t.Fatalf("wait4: %v", err)
	}
	return ws.ExitStatus()
}

// starts are the ways to start a script.
var starts = map[string]func(*Script) (*Forked, error){
	"start": func(s *Script) (*Forked, error) { return s.Start(0) },
	"spawn": func(s *Script) (*Forked, error) { return s.Spawn(0, -1) },
}

// run starts a script, waits for its report and reaps it.
func run(t *testing.T, s *Script, start func(*Script) (*Forked, error)) (Outcome, int) {
	t.Helper()
	f, err := start(s)
	if err != nil {
		t.Fatal(err)
	}
	o, err := f.Wait()
	if err != nil {
		t.Fatal(err)
	}
	return o, reap(t, f.Pid)
}

func TestStart(t *testing.T) {
	sh := func(s *Script, code string) { s.Exec("/bin/sh", []string{"sh", "-c", code}, nil) }
	tests := []struct {
		name  string
		build func(s *Script)
		errno syscall.Errno
		step  string
		exit  int
	}{
		{"empty", func(s *Script) {}, 0, "", 0},
		{"failing call", func(s *Script) {
			s.Label("cwd", "/nowhere")
			s.Call(syscall.SYS_CHDIR, s.String("/nowhere"))
		}, syscall.ENOENT, "cwd", 1},
		{"passed over", func(s *Script) { s.MayFail(syscall.SYS_CHDIR, s.String("/nowhere")) }, 0, "", 0},
		{"exec", func(s *Script) { sh(s, "exit 42") }, 0, "", 42},
		{"searched", func(s *Script) {
			s.Search([]string{"/nowhere/sh", "/etc/passwd/sh", "/bin/sh"}, []string{"sh", "-c", "exit 7"}, nil)
		}, 0, "", 7},
		{"nowhere", func(s *Script) { s.Search([]string{"/nowhere/sh", "/etc"}, []string{"sh"}, nil) }, syscall.ENOENT, "", 1},
		{"a directory", func(s *Script) { s.Exec("/etc", []string{"x"}, nil) }, syscall.EACCES, "", 1},
		{"no fallback after success", func(s *Script) {
			r := s.MayFail(syscall.SYS_CHDIR, s.String("/"))
			s.Call(syscall.SYS_CHDIR, s.String("/nowhere"))
			s.Unless(r)
		}, 0, "", 0},
		{"fallback after failure", func(s *Script) {
			r := s.MayFail(syscall.SYS_CHDIR, s.String("/nowhere"))
			s.Call(syscall.SYS_CHDIR, s.String("/also/nowhere"))
			s.Unless(r)
		}, syscall.ENOENT, "", 1},
		{"good cwd", func(s *Script) { s.CheckCwd() }, 0, "", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for way, start := range starts {
				var s Script
				tt.build(&s)
				o, code := run(t, &s, start)
				if code != tt.exit {
					t.Errorf("%s: exit code %d, want %d", way, code, tt.exit)
				}
				if tt.errno == 0 && o.Failure != nil || tt.errno != 0 && (o.Failure == nil || o.Failure.Errno != tt.errno || o.Failure.Step != tt.step) {
					t.Errorf("%s: failure %+v, want %v in %q", way, o.Failure, tt.errno, tt.step)
				}
			}
		})
	}
}

func TestResultsFlow(t *testing.T) {
	var s Script
	here := unix.AT_FDCWD
	fd := s.Call(syscall.SYS_OPENAT, uintptr(here), s.String("/etc/hostname"), syscall.O_CLOEXEC)
	s.Report(syscall.SYS_FCNTL, 0, syscall.F_GETFD)
	s.Use(0, fd)
	o, _ := run(t, &s, starts["start"])
	if o.Failure != nil || !slices.Equal(o.Results, []uintptr{syscall.FD_CLOEXEC}) {
		t.Fatalf("outcome %+v", o)
	}
}

// TestForkTwice makes a grandchild that becomes our own child by CLONE_PARENT, which is how an exec enters a pid namespace.
func TestForkTwice(t *testing.T) {
	var s Script
	s.Fork(syscall.CLONE_PARENT)
	s.Exec("/bin/sh", []string{"sh", "-c", "exit 9"}, nil)
	o, code := run(t, &s, starts["spawn"])
	if code != 0 || o.Failure != nil || len(o.Pids) != 1 {
		t.Fatalf("exit code %d, outcome %+v", code, o)
	}
	if got := reap(t, o.Pids[0]); got != 9 {
		t.Errorf("the grandchild's exit code is %d, want 9", got)
	}
}

func TestAwaitAndExitIfClosed(t *testing.T) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	var s Script
	s.Call(syscall.SYS_CLOSE, uintptr(pair[0]))
	s.AwaitByte(pair[1])
	s.ExitIfClosed(pair[1])
	s.AwaitByte(pair[1])
	f, err := s.Start(0)
	if err != nil {
		t.Fatal(err)
	}
	unix.Close(pair[1])
	unix.Write(pair[0], []byte("x"))
	time.Sleep(20 * time.Millisecond)
	unix.Close(pair[0])
	if o, err := f.Wait(); err != nil || o.Failure != nil {
		t.Fatalf("%+v, %v", o, err)
	}
	if code := reap(t, f.Pid); code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
}

// TestMany forks while other goroutines allocate and collect garbage: a fork that held a lock of the runtime's would hang.
func TestMany(t *testing.T) {
	stop := make(chan struct{})
	for range 4 {
		go func() {
			for {
				select {
				case <-stop:
					return
				default:
					_ = strings.Repeat("x", 1<<16)
					runtime.GC()
				}
			}
		}()
	}
	defer close(stop)
	for i := range 400 {
		start := starts[[]string{"start", "spawn"}[i%2]]
		var s Script
		s.Exec("/bin/true", []string{"true"}, os.Environ())
		if o, code := run(t, &s, start); code != 0 || o.Failure != nil {
			t.Fatalf("exit code %d, %+v", code, o.Failure)
		}
	}
}

// TestSpawnInCgroup needs a version 2 hierarchy in which it may make a group.
func TestSpawnInCgroup(t *testing.T) {
	dir := "/sys/fs/cgroup"
	if _, err := os.Stat(dir + "/cgroup.procs"); err != nil {
		dir += "/unified"
	}
	dir += "/hoy-raw-test"
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Skip(err)
	}
	defer os.Remove(dir)
	group, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer group.Close()
	var s Script
	s.Exec("/bin/sh", []string{"sh", "-c", "grep -q '^0::.*/hoy-raw-test$' /proc/self/cgroup"}, []string{"PATH=/usr/bin:/bin"})
	o, code := run(t, &s, func(s *Script) (*Forked, error) { return s.Spawn(syscall.CLONE_NEWUTS, int(group.Fd())) })
	if code != 0 || o.Failure != nil {
		t.Errorf("exit code %d, %+v", code, o.Failure)
	}
}

package rootless

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestMain is hoy, for the tests below: the outer half, and the inner one, which runs its last argument with a shell.
func TestMain(m *testing.M) {
	if os.Getenv("ENTER_TEST") == "" {
		os.Exit(m.Run())
	}
	Enter()
	cmd := exec.Command("/bin/sh", "-c", os.Args[len(os.Args)-1])
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	err := cmd.Run()
	if ws, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		syscall.Kill(os.Getpid(), ws.Signal())
		time.Sleep(time.Second)
	}
	if err != nil {
		os.Exit(cmd.ProcessState.ExitCode())
	}
	os.Exit(0)
}

// enter gives a call of hoy by an ordinary user, which needs the user namespace.
func enter(t *testing.T, script string, env ...string) *exec.Cmd {
	t.Helper()
	if os.Geteuid() == 0 {
		t.Skip("runs as an ordinary user")
	}
	cmd := exec.Command(os.Args[0], "--root", t.TempDir(), "run", script)
	cmd.Env = append(append(os.Environ(), "ENTER_TEST=1"), env...)
	return cmd
}

func TestEnter(t *testing.T) {
	for _, tt := range []struct{ script, want string }{
		{"id -u; id -g", "0\n0"},
		{"wc -l < /proc/self/uid_map", "2"},
		{"wc -l < /proc/self/gid_map", "2"},
		{"cat /proc/self/setgroups", "allow"},
		{"echo $HOY_ROOTLESS_UID $_CONTAINERS_USERNS_CONFIGURED $_CONTAINERS_ROOTLESS_GID", itoa(os.Getuid()) + " done " + itoa(os.Getgid())},
		{"grep CapEff /proc/self/status | grep -c 000001f", "1"},
		{"touch /tmp/hoy-enter-test && chown 5:5 /tmp/hoy-enter-test && stat -c %u /tmp/hoy-enter-test && rm /tmp/hoy-enter-test", "5"},
	} {
		out, err := enter(t, tt.script).CombinedOutput()
		if got := strings.TrimSpace(string(out)); err != nil || got != tt.want {
			t.Errorf("%s: got %q, %v, want %q", tt.script, got, err, tt.want)
		}
	}
}

func TestEnterStatus(t *testing.T) {
	for script, want := range map[string]int{"exit 0": 0, "exit 42": 42, "kill -TERM $PPID; sleep 5": 143, "kill -KILL $PPID; sleep 5": 137} {
		cmd := enter(t, script)
		_ = cmd.Run()
		if got := cmd.ProcessState.ExitCode(); got != want {
			t.Errorf("%s: exit code %d, want %d", script, got, want)
		}
	}
}

// TestEnterOneID has no newuidmap: the user's own id is mapped alone, which is said once for a storage directory.
func TestEnterOneID(t *testing.T) {
	root := t.TempDir()
	for i, want := range []string{"containers have one user id only: newuidmap is not installed", "1001 1\n"} {
		cmd := enter(t, "/usr/bin/cat /proc/self/uid_map; /usr/bin/cat /proc/self/setgroups", "PATH=/nowhere")
		cmd.Args[2] = root
		out, err := cmd.CombinedOutput()
		if want == "1001 1\n" {
			want = itoa(os.Getuid())
		}
		if err != nil || !strings.Contains(string(out), want) || !strings.HasSuffix(string(out), "deny\n") || (i == 1) == strings.Contains(string(out), "hint") {
			t.Errorf("call %d: %s%v", i, out, err)
		}
	}
}

// TestEnterSignals sends a signal to the outer half alone.
func TestEnterSignals(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ready")
	cmd := enter(t, "echo $PPID > "+file+"; exec sleep 100")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	inner := waitFor(t, file)
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if got := cmd.ProcessState.ExitCode(); got != 128+int(syscall.SIGTERM) {
		t.Errorf("exit code %d", got)
	}
	gone(t, inner)
}

// TestEnterKilled kills the outer half in a way that it cannot pass on: the inner one must end too.
func TestEnterKilled(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ready")
	cmd := enter(t, "echo $PPID > "+file+"; exec sleep 2")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	inner := waitFor(t, file)
	cmd.Process.Kill()
	_ = cmd.Wait()
	gone(t, inner)
}

// waitFor waits for a process's pid in a file.
func waitFor(t *testing.T, file string) string {
	t.Helper()
	for range 1000 {
		if data, err := os.ReadFile(file); err == nil && strings.HasSuffix(string(data), "\n") {
			return strings.TrimSpace(string(data))
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatal("the inner half does not begin")
	return ""
}

func gone(t *testing.T, pid string) {
	t.Helper()
	for range 1000 {
		data, err := os.ReadFile("/proc/" + pid + "/stat")
		if err != nil || strings.Contains(string(data), ") Z ") {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Errorf("the inner half (%s) lives on", pid)
}

func TestRefusals(t *testing.T) {
	for err, want := range map[error]string{
		syscall.ENOSPC: "user.max_user_namespaces",
		syscall.EPERM:  "seccomp profile",
		syscall.EINVAL: "run hoy as root",
	} {
		found := refusals(err)
		if len(switches()) == 0 && (len(found) != 1 || !strings.Contains(found[0].Fix, want)) {
			t.Errorf("%v: %+v", err, found)
		}
	}
}

func itoa(n int) string { return strconv.Itoa(n) }

package runtime_test

import (
	"bytes"
	"io"
	"os"
	"strings"
	"testing"

	"codeberg.org/hoy/hoy/oci/runtime"
	"golang.org/x/sys/unix"
)

// tty runs a script with a terminal and gives what came out of it.
func (b *box) tty(t *testing.T, script string) string {
	t.Helper()
	b.plan.Terminal = true
	b.plan.Args = []string{"sh", "-c", script}
	p, err := runtime.Start(b.plan, runtime.StartOptions{})
	must(t, err)
	out := drain(p.Console)
	must(t, p.Go())
	_, err = p.Wait()
	must(t, err)
	text := <-out
	p.Console.Close()
	return text
}

// drain reads a terminal's master until its other end is closed.
func drain(console *os.File) <-chan string {
	out := make(chan string, 1)
	go func() {
		var text bytes.Buffer
		io.Copy(&text, console) // ends with EIO
		out <- text.String()
	}()
	return out
}

func TestTerminal(t *testing.T) {
	b := newBox(t)
	b.plan.Rows, b.plan.Cols = 33, 77
	for _, tt := range []struct{ script, want string }{
		{"tty", "/dev/pts/0"},
		{"stty size", "33 77"},
		{"test -t 0 -a -t 1 -a -t 2 && echo yes", "yes"},
		{"echo x > /dev/console", "x"},
		{"echo x > /dev/tty", "x"},
		{"stat -c %a /dev/console", "620"},
	} {
		if got := strings.TrimSpace(b.tty(t, tt.script)); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.script, got, tt.want)
		}
	}
	b.plan.User = "ann"
	if got := strings.TrimSpace(b.tty(t, "stat -c %u $(tty); echo again > /dev/stdout")); got != "1000\r\nagain" {
		t.Errorf("as a user: %q", got)
	}
	b.plan.User, b.plan.Init = "", true
	if got := strings.TrimSpace(b.tty(t, "tty; stty size")); got != "/dev/pts/0\r\n33 77" {
		t.Errorf("with --init: %q", got)
	}
}

// TestCallersTerminal is T-J1 (CVE-2017-5226): without a terminal of its own, a container has none at all, whatever its parent has.
func TestCallersTerminal(t *testing.T) {
	if os.Getenv("TTY_TEST") == "" {
		inside(t)
		master, slave := openTerminal(t)
		defer master.Close()
		cmd := againCommand(t, ":", "TTY_TEST=1")
		cmd.Stdin = slave
		cmd.SysProcAttr = &unix.SysProcAttr{Setsid: true, Setctty: true}
		text := drain(master)
		out, err := cmd.CombinedOutput()
		slave.Close()
		if err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		if typed := <-text; typed != "" {
			t.Errorf("the container typed %q into the caller's terminal", typed)
		}
		return
	}
	if _, err := os.Open("/dev/tty"); err != nil {
		t.Fatal("the test has no terminal itself:", err)
	}
	b := newBox(t)
	// The seventh field of proc_pid_stat(5) is the controlling terminal.
	b.sh("(echo evil > /dev/tty) 2>/dev/null || echo none; set -- $(cat /proc/self/stat); echo $7").want(t, "none\n0")
}

func openTerminal(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	must(t, err)
	must(t, unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0))
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	must(t, err)
	slave, err = os.OpenFile("/dev/pts/"+itoa(n), os.O_RDWR|unix.O_NOCTTY, 0)
	must(t, err)
	return master, slave
}

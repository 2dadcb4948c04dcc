package harness

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// PTY is the program `pty FILE COMMAND…`: it runs the command on a pseudo-terminal and does what the lines of FILE say:
//
//	expect TEXT      wait until the output, after what was last expected, holds TEXT
//	send TEXT        type TEXT, with Go's escapes (\n, \x10)
//	resize ROWS COLS change the size of the window
//	signal NUMBER    send the command a signal
//
// When the file is at its end it waits for the command, prints all its output and ends with its exit code.
func PTY() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: pty FILE COMMAND...")
		os.Exit(2)
	}
	code, err := runPTY(os.Args[1], os.Args[2:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "pty:", err)
		os.Exit(99)
	}
	os.Exit(code)
}

// terminal is a command on a pseudo-terminal.
type terminal struct {
	master *os.File
	cmd    *exec.Cmd
	mu     sync.Mutex
	out    bytes.Buffer
	seen   int // how much of out has been expected
	closed chan struct{}
}

func runPTY(file string, args []string) (int, error) {
	t, err := startTerminal(args)
	if err != nil {
		return 0, err
	}
	defer t.master.Close()
	err = t.follow(file)
	if err != nil {
		t.cmd.Process.Kill()
	}
	timer := time.AfterFunc(patience, func() { t.cmd.Process.Kill() })
	defer timer.Stop()
	waited := t.cmd.Wait()
	select { // what outlives the command may hold the terminal open
	case <-t.closed:
	case <-time.After(time.Second):
	}
	t.mu.Lock()
	os.Stdout.Write(t.out.Bytes())
	t.mu.Unlock()
	var ee *exec.ExitError
	if err != nil || (waited != nil && !errors.As(waited, &ee)) {
		return 0, errors.Join(err, waited)
	}
	if ws := t.cmd.ProcessState.Sys().(syscall.WaitStatus); ws.Signaled() {
		return 128 + int(ws.Signal()), nil
	}
	return t.cmd.ProcessState.ExitCode(), nil
}

func startTerminal(args []string) (*terminal, error) {
	master, slave, err := openPTY()
	if err != nil {
		return nil, err
	}
	defer slave.Close()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	t := &terminal{master: master, cmd: cmd, closed: make(chan struct{})}
	go t.read()
	return t, nil
}

// openPTY gives a new pseudo-terminal of 24 rows and 80 columns.
func openPTY() (master, slave *os.File, err error) {
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("open /dev/ptmx: %w", err)
	}
	master = os.NewFile(uintptr(fd), "/dev/ptmx")
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		return nil, nil, fmt.Errorf("unlock pty: %w", err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		return nil, nil, fmt.Errorf("pty number: %w", err)
	}
	slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, nil, err
	}
	return master, slave, unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 80})
}

func (t *terminal) read() {
	defer close(t.closed)
	buf := make([]byte, 4096)
	for {
		n, err := t.master.Read(buf)
		t.mu.Lock()
		t.out.Write(buf[:n])
		t.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// follow does the lines of file.
func (t *terminal) follow(file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	scan := bufio.NewScanner(f)
	for scan.Scan() {
		if err := t.do(scan.Text()); err != nil {
			return fmt.Errorf("%s: %w", scan.Text(), err)
		}
	}
	return scan.Err()
}

func (t *terminal) do(line string) error {
	verb, rest, _ := strings.Cut(line, " ")
	switch verb {
	case "expect":
		return t.expect(rest)
	case "send":
		text, err := strconv.Unquote(`"` + rest + `"`)
		if err != nil {
			return err
		}
		_, err = t.master.WriteString(text)
		return err
	case "resize":
		var w unix.Winsize
		if _, err := fmt.Sscan(rest, &w.Row, &w.Col); err != nil {
			return err
		}
		return unix.IoctlSetWinsize(int(t.master.Fd()), unix.TIOCSWINSZ, &w)
	case "signal":
		n, err := strconv.Atoi(rest)
		if err != nil {
			return err
		}
		return t.cmd.Process.Signal(syscall.Signal(n))
	case "":
		return nil
	}
	return errors.New("unknown verb")
}

// expect waits for text in the output that was not expected yet.
func (t *terminal) expect(text string) error {
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		t.mu.Lock()
		i := bytes.Index(t.out.Bytes()[t.seen:], []byte(text))
		if i >= 0 {
			t.seen += i + len(text)
		}
		t.mu.Unlock()
		if i >= 0 {
			return nil
		}
	}
	return fmt.Errorf("not seen within %v", patience)
}

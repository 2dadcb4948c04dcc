package harness

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

var commands = map[string]func(ts *testscript.TestScript, neg bool, args []string){
	"code":       codeCmd,
	"eventually": eventuallyCmd,
	"agent":      agentCmd,
	"registry":   registryCmd,
	"signal":     signalCmd,
	"port":       portCmd,
	"clean":      cleanCmd,
}

// patience is how long a script waits for what must happen soon.
const patience = 20 * time.Second

// codeCmd is `code N COMMAND…`: the command must end with exit code N. Its output is matched by stdout and stderr as exec's is.
func codeCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N command args...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var ee *exec.ExitError
	switch {
	case errors.As(err, &ee):
		got = ee.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// eventuallyCmd is `eventually PATTERN COMMAND…`: the command is run until it succeeds and its output matches.
func eventuallyCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: eventually pattern command args...")
	}
	re, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	for end := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		cmd := exec.Command(args[1], args[2:]...)
		cmd.Dir = ts.MkAbs(".")
		cmd.Env = environ(ts)
		out, err := cmd.CombinedOutput()
		if err == nil && re.Match(out) {
			return
		}
		if time.Now().After(end) {
			ts.Fatalf("no %q within %v: %v\n%s", args[0], patience, err, out)
		}
	}
}

// environ is the script's environment for a program that testscript does not start itself.
func environ(ts *testscript.TestScript) []string {
	env := os.Environ()
	for _, name := range []string{"HOME", "HOY_ROOT", "HOY_RUN", "XDG_RUNTIME_DIR", "TMPDIR", "PATH", "LANG", "WORK"} {
		env = append(env, name+"="+ts.Getenv(name))
	}
	return env
}

// signalCmd is `signal NAME FILE`: sends a signal to the process whose id FILE holds.
func signalCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: signal NAME pidfile")
	}
	ts.Check(ts.Exec("sh", "-c", fmt.Sprintf("kill -%s $(cat %s)", args[0], args[1])))
}

// registryCmd is `registry [HTPASSWD]`: serves an empty registry on 127.0.0.1 until the script ends, and sets REGISTRY to its address. With a file of
// users it lets nobody else in.
func registryCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 1 {
		ts.Fatalf("usage: registry [htpasswd]")
	}
	addr, err := freeAddress()
	ts.Check(err)
	dir := ts.MkAbs("registry-" + addr)
	ts.Check(os.MkdirAll(dir, 0o755))
	config := fmt.Sprintf("version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: %s\n  delete:\n    enabled: true\nhttp:\n  addr: %s\n", dir, addr)
	if len(args) == 1 {
		config += fmt.Sprintf("auth:\n  htpasswd:\n    realm: registry\n    path: %s\n", ts.MkAbs(args[0]))
	}
	ts.Check(os.WriteFile(filepath.Join(dir, "config.yml"), []byte(config), 0o644))
	// It is no process of hoy's: nothing that names the script's directory tells the harness of it.
	cmd := exec.Command("docker-registry", "serve", "config.yml")
	cmd.Dir, cmd.Env = dir, []string{}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	ts.Check(cmd.Start())
	ts.Defer(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			conn.Close()
			break
		}
		if time.Now().After(end) {
			ts.Fatalf("the registry does not answer: %v", err)
		}
	}
	ts.Setenv("REGISTRY", addr)
}

// portCmd is `port NAME`: sets NAME to a port of 127.0.0.1 that nobody listens on.
func portCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: port NAME")
	}
	addr, err := freeAddress()
	ts.Check(err)
	_, port, err := net.SplitHostPort(addr)
	ts.Check(err)
	ts.Setenv(args[0], port)
}

// freeAddress is a port of 127.0.0.1 that nobody listens on.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// cleanCmd is `clean`: no container, process, mount or unfinished directory of the script's is there.
func cleanCmd(ts *testscript.TestScript, neg bool, _ []string) {
	if left := remains(ts.Getenv("WORK"), ts.Getenv("HOY_ROOT"), ts.Getenv("HOY_RUN")); len(left) > 0 {
		ts.Fatalf("left behind:\n%s", lines(left))
	}
}

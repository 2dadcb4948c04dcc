package runtime_test

import (
	"os"
	"os/exec"
	"strconv"
	"testing"
)

// again runs the calling test once more in a process of its own, after some shell commands and with more environment, and expects it to pass.
func again(t testing.TB, before, env string) {
	t.Helper()
	if out, err := runAgain(t, before, env); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

func runAgain(t testing.TB, before, env string) ([]byte, error) {
	t.Helper()
	return againCommand(t, before, env).CombinedOutput()
}

func againCommand(t testing.TB, before, env string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("/bin/sh", "-c", before+` && exec "$0" -test.run "^$1$"`, os.Args[0], t.Name())
	cmd.Env = append(os.Environ(), env)
	return cmd
}

func itoa(n int) string { return strconv.Itoa(n) }

func atoi(t testing.TB, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	must(t, err)
	return n
}

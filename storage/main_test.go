package storage

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestMain(m *testing.M) {
	if Reexec() {
		return
	}
	if words := os.Getenv(actionEnv); words != "" {
		if err := act(strings.Fields(words)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// asUserEnv is set in the run of these tests that TestAsUser makes.
const asUserEnv = "HOY_TEST_AS_USER"

// TestAsUser runs all tests of the package again as an ordinary user in a user namespace, with the environment that the outer
// half of a rootless call gives the inner one. It needs root, a user "dev" with subordinate ids, and unshare.
func TestAsUser(t *testing.T) {
	if os.Getuid() != 0 || os.Getenv(asUserEnv) != "" {
		t.Skip("needs root")
	}
	if out, err := exec.Command("id", "dev").CombinedOutput(); err != nil {
		t.Skipf("needs a user dev: %s", out)
	}
	home, err := os.MkdirTemp("", "hoy-user-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(home) })
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(home, "test")
	for _, args := range [][]string{{"cp", self, binary}, {"chown", "-R", "dev:dev", home}} {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", args, out)
		}
	}
	args := []string{
		"--reuid", "dev", "--regid", "dev", "--init-groups",
		"env", "HOME=" + home, "TMPDIR=" + home, asUserEnv + "=1",
		"_CONTAINERS_USERNS_CONFIGURED=done", "_CONTAINERS_ROOTLESS_UID=1001", "_CONTAINERS_ROOTLESS_GID=1001",
		"unshare", "--user", "--map-root-user", "--map-auto", "--mount", "--",
		binary, "-test.timeout=10m",
	}
	if testing.Verbose() {
		args = append(args, "-test.v")
	}
	cmd := exec.Command("setpriv", args...)
	if cmd.Dir, err = os.Getwd(); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Fatal(err)
	}
}

// rootless says whether this run is TestAsUser's.
func rootless() bool { return os.Getenv(asUserEnv) != "" }

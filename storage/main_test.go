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
	asUser(t, []string{"--map-auto"}, "-test.timeout=10m")
}

// TestAsUserWithOneID does so for a user without subordinate ids.
func TestAsUserWithOneID(t *testing.T) {
	asUser(t, nil, "-test.run=TestFilesOfOthers|TestSaveAndLoad|TestRemove$")
}

func asUser(t *testing.T, unshare []string, tests string) {
	if os.Getuid() != 0 || rootless() {
		t.Skip("needs root")
	}
	if out, err := exec.Command("id", "dev").CombinedOutput(); err != nil {
		t.Skipf("needs a user dev: %s", out)
	}
	home, err := os.MkdirTemp("", "hoy-user-")
	check(t, err)
	t.Cleanup(func() { os.RemoveAll(home) })
	self, err := os.Executable()
	check(t, err)
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
		"unshare", "--user", "--map-root-user", "--mount",
	}
	args = append(append(args, unshare...), "--", binary, tests)
	if testing.Verbose() {
		args = append(args, "-test.v")
	}
	cmd := exec.Command("setpriv", args...)
	cmd.Dir, err = os.Getwd()
	check(t, err)
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	check(t, err)
}

// rootless says whether this run is one of a user's.
func rootless() bool { return os.Getenv(asUserEnv) != "" }

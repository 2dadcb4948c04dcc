package runtime_test

import (
	"fmt"
	"os"
	"os/exec"
	"path"
	"testing"

	"codeberg.org/hoy/hoy/oci/child"
	"codeberg.org/hoy/hoy/oci/child/reaper"
	"codeberg.org/hoy/hoy/oci/nsenter"
)

// TestMain is the roles of hoy when the test binary is started as one of them. Otherwise it runs the tests in a mount namespace of their own, whose
// mounts are shared as a distribution's are, so that a mount that leaks is seen and nobody else's is. An ordinary user's tests run twice: as
// root of a user namespace, which is where that user's containers are started, and outside of it, from where they are joined.
func TestMain(m *testing.M) {
	switch path.Base(os.Args[0]) {
	case child.Role:
		child.Main()
	case nsenter.Role:
		nsenter.Main()
	case reaper.Role:
		child.InitMain()
	}
	if os.Getenv(insideEnv) != "" {
		os.Exit(m.Run())
	}
	args := []string{"--mount", "--propagation", "shared"}
	if os.Geteuid() != 0 {
		args = []string{"--mount", "--propagation", "shared", "--user", "--map-root-user", "--map-auto"}
	}
	inner := exec.Command("unshare", append(append(args, os.Args[0]), os.Args[1:]...)...)
	inner.Env = append(os.Environ(), insideEnv+"=1")
	inner.Stdout, inner.Stderr = os.Stdout, os.Stderr
	if err := inner.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "inside of the namespaces:", err)
		os.Exit(1)
	}
	if os.Geteuid() == 0 {
		return
	}
	os.Exit(m.Run())
}

// insideEnv says that the test binary runs in its own namespaces already.
const insideEnv = "HOY_TEST_INSIDE"

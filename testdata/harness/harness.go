// Package harness runs the command scripts of testdata/scripts, each with a store, a home and a runtime directory of its own.
//
// Beside testscript's own commands a script has those of commands.go, and the programs hoy and pty. After each script the harness looks for what
// hoy has left behind: processes, mounts, directories.
package harness

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// Run runs the scripts of dir as subtests of t.
func Run(t *testing.T, dir string, early bool) {
	base, err := baseContext(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:   dir,
		Setup: func(e *testscript.Env) error { return setup(e, base) },
		Condition: func(name string) (bool, error) {
			if name == "early" {
				return early, nil
			}
			return condition(name)
		},
		Cmds:                commands,
		RequireExplicitExec: false,
		RequireUniqueNames:  true,
	})
}

// scriptLimit is how long one script may take. Then its processes are killed, which the script sees as a command that failed.
const scriptLimit = 3 * time.Minute

// setup gives a script its directories and the image busybox, and has it looked after when it ends.
func setup(e *testscript.Env, base string) error {
	for name, dir := range map[string]string{"HOME": "home", "HOY_ROOT": "root", "HOY_RUN": "run", "XDG_RUNTIME_DIR": "xdg", "TMPDIR": "tmp"} {
		path := filepath.Join(e.WorkDir, dir)
		if err := os.MkdirAll(path, 0o700); err != nil {
			return err
		}
		e.Setenv(name, path)
	}
	e.Setenv("LANG", "C.UTF-8")
	e.Setenv("UID", fmt.Sprint(os.Getuid()))
	e.Setenv("DEBIAN", os.Getenv("HOY_TEST_DEBIAN"))
	e.Setenv("EXAMPLES", examples())
	if err := os.Symlink(base, filepath.Join(e.WorkDir, "base")); err != nil {
		return err
	}
	limit := time.AfterFunc(scriptLimit, func() { killAll(e.WorkDir) })
	e.Defer(func() {
		limit.Stop()
		checkLeft(e)
	})
	if out, err := hoy(e, "build", "-q", "-t", "busybox", base); err != nil {
		return fmt.Errorf("build the image busybox: %w\n%s", err, out)
	}
	return nil
}

// hoy runs one hoy command in the script's environment and gives all that it prints.
func hoy(e *testscript.Env, args ...string) ([]byte, error) {
	cmd := exec.Command("hoy", args...)
	cmd.Env = e.Vars
	cmd.Dir = e.WorkDir
	return cmd.CombinedOutput()
}

// examples is the repository's directory of examples, seen from the directory that the tests run in.
func examples() string {
	dir, err := filepath.Abs("examples")
	if err != nil {
		return ""
	}
	return dir
}

// condition knows [root], [user], [debian] (an archive with a Debian root is there) and [all] (nothing may be skipped for want of a program).
func condition(name string) (bool, error) {
	switch name {
	case "root":
		return os.Getuid() == 0, nil
	case "user":
		return os.Getuid() != 0, nil
	case "debian":
		return os.Getenv("HOY_TEST_DEBIAN") != "", nil
	case "all":
		return os.Getenv("HOY_TEST_ALL") != "", nil
	}
	return false, fmt.Errorf("unknown condition %q", name)
}

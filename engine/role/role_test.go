package role

import (
	"os/exec"
	"strings"
	"testing"
)

// late are packages of the standard library that Go initialises after most of the wide libraries, because their paths come late and little
// of what is wide waits for them. One of them among this package's imports costs every child a millisecond or more; measured with
// GODEBUG=inittrace=1 and the page faults of a start.
var late = []string{
	"path/filepath", "os/exec", "os/user", "runtime/debug", "runtime/pprof", "net", "net/http", "net/netip", "regexp", "text/template", "testing", "log", "math/big",
}

// TestImports: nothing below package role is initialised late.
func TestImports(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "codeberg.org/hoy/hoy/engine/role").Output()
	if err != nil {
		t.Skip("needs the go command:", err)
	}
	for _, pkg := range strings.Fields(string(out)) {
		for _, l := range late {
			if pkg == l {
				t.Errorf("%s is imported: use %s", pkg, instead(pkg))
			}
		}
	}
}

func instead(pkg string) string {
	switch pkg {
	case "path/filepath":
		return "path"
	case "os/exec":
		return "syscall.ForkExec"
	case "runtime/debug":
		return "the environment of the process (GOGC, GOMAXPROCS)"
	}
	return "something light"
}

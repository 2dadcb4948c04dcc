package main

import (
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"codeberg.org/hoy/hoy/engine/rootless/early"
	"codeberg.org/hoy/hoy/storage"
	"codeberg.org/hoy/hoy/testdata/harness"
)

func TestMain(m *testing.M) {
	// The test binary is hoy, when it is called so. Its other roles are reached before this, as in hoy itself.
	if storage.Reexec() {
		return
	}
	backgroundRoles()
	testscript.Main(m, map[string]func(){
		"hoy":         main,
		"another-hoy": main,
		"hoy-oci":     main,
		"docker":      main,
		"pty":         harness.PTY,
	})
}

// TestScripts runs the commands as users type them: testdata/scripts, one behaviour a file.
func TestScripts(t *testing.T) { harness.Run(t, "testdata/scripts", early.Ran) }

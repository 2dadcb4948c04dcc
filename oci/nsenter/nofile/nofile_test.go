package nofile_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"codeberg.org/hoy/hoy/oci/nsenter/nofile"
)

// TestOriginal starts this test again under a lower soft limit and expects to see it, although the runtime has raised it by then.
func TestOriginal(t *testing.T) {
	if os.Getenv("NOFILE_TEST") != "" {
		if nofile.Original.Soft != 321 {
			t.Fatalf("original soft limit %d, want 321", nofile.Original.Soft)
		}
		return
	}
	cmd := exec.Command("/bin/sh", "-c", `ulimit -S -n 321 && exec "$0" -test.run TestOriginal`, os.Args[0])
	cmd.Env = append(os.Environ(), "NOFILE_TEST=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, strings.TrimSpace(string(out)))
	}
}

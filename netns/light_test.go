package netns

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// TestLight holds what a container's monitor runs to the standard library, golang.org/x/sys and each other.
func TestLight(t *testing.T) {
	if os.Getenv("HOY_TEST_NO_GO") != "" {
		t.Skip("the go command is not to be used here")
	}
	const here = "codeberg.org/hoy/hoy/netns/"
	light := []string{here + "dns", here + "publish", here + "record", here + "record/live", here + "space", here + "uplink", here + "hold", here + "wake", "codeberg.org/hoy/hoy/oci/userns", "codeberg.org/hoy/hoy/oci/nsenter/raw"}
	cmd := exec.Command("go", append([]string{"list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}"}, light...)...)
	out, err := cmd.Output()
	if err != nil {
		t.Skipf("needs the go command and the sources: %v", err)
	}
	for path := range strings.FieldsSeq(string(out)) {
		if !strings.HasPrefix(path, "golang.org/x/sys/") && !slices.Contains(light, path) {
			t.Errorf("a light package needs %s", path)
		}
	}
}

package cli

import (
	"os"
	"path/filepath"
	"testing"
)

// TestManual says when docs/man and docs/cli are not what the commands say: `make docs` writes them anew.
func TestManual(t *testing.T) {
	t.Setenv("DOCKER_DEFAULT_PLATFORM", "")
	for kind, dir := range map[string]string{"man": "../../docs/man", "markdown": "../../docs/cli"} {
		pages, err := newSession("hoy").manual(kind)
		if err != nil {
			t.Fatal(err)
		}
		for name, want := range pages {
			if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != want {
				t.Errorf("%s/%s is stale: run make docs", dir, name)
			}
		}
		files, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if _, ok := pages[f.Name()]; !ok {
				t.Errorf("%s/%s describes no command", dir, f.Name())
			}
		}
	}
}

package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "codeberg.org/hoy/hoy"

// ranks is the import rule: a package imports packages of a lower rank only, or its own subpackages. The longest prefix that matches counts.
var ranks = map[string]int{
	"":                   9, // main
	"engine/cli":         8,
	"engine/compose":     7,
	"engine/kube":        7,
	"build":              7,
	"engine":             6,
	"engine/role":        6, // the light roles
	"engine/event":       0,
	"engine/monitor":     4,
	"engine/ahead":       5,
	"engine/bundle":      5,
	"oci/runtime":        3,
	"storage":            3,
	"netns":              3,
	"netns/hold":         1,
	"netns/wake":         0,
	"netns/record":       0,
	"netns/record/live":  0,
	"cgroups":            3,
	"engine/rootless":    2,
	"oci":                2,
	"oci/plan":           2,
	"oci/child":          1,
	"oci/seccomp":        1,
	"oci/seccomp/kept":   0,
	"oci/nsenter":        2,
	"oci/nsenter/raw":    -1,
	"oci/userns":         0,
	"oci/nsenter/nofile": 0,
	"oci/child/wire":     0,
	"oci/inroot":         0,
	"testdata/harness":   0,
}

// homes are the packages that alone may import a wide library, so that it stays replaceable.
var homes = map[string][]string{
	"github.com/urfave/cli":                   {"engine/cli"},
	"go.podman.io/":                           {"storage", ""},
	"github.com/moby/buildkit":                {"build"},
	"github.com/opencontainers/runtime-tools": {"oci"},
	"github.com/opencontainers/cgroups":       {"cgroups"},
}

// light packages run before the wide libraries are initialised: they need the standard library and golang.org/x/sys only, and little of that.
var light = []string{
	"cgroups/group", "netns/dns", "netns/hold", "netns/publish", "netns/record/live", "netns/space", "netns/uplink", "netns/wake", "oci/child", "oci/nsenter", "oci/runtime", "oci/userns",
	"engine/event", "engine/monitor", "engine/rootless", "engine/rootless/early", "engine/role", "engine/ahead", "engine/bundle", "oci/plan", "oci/seccomp/kept",
}

// specification is types alone: it imports package os and initialises nothing.
const specification = "github.com/opencontainers/runtime-spec/specs-go"

// heavy is what a light package does without even of the standard library, for the time it takes to initialise.
var heavy = []string{"net/http", "text/template", "html/template", "regexp", "crypto/tls"}

// goPackage is what `go list -json` says of a package.
type goPackage struct {
	ImportPath string
	Standard   bool
	Imports    []string
	Deps       []string
}

// TestImports holds the import rule.
func TestImports(t *testing.T) {
	packages := listPackages(t)
	standard := map[string]bool{}
	for _, p := range packages {
		standard[p.ImportPath] = p.Standard
	}
	for _, p := range packages {
		name, ours := internal(p.ImportPath)
		if !ours {
			continue
		}
		for _, path := range p.Imports {
			checkImport(t, name, path)
		}
		if slices.Contains(light, name) {
			checkLight(t, name, p.Deps, standard)
		}
	}
}

// checkImport holds one package's import against ranks and homes.
func checkImport(t *testing.T, name, path string) {
	t.Helper()
	if other, ours := internal(path); ours {
		if !strings.HasPrefix(other, name+"/") && !sameTree(name, other) && rank(other) >= rank(name) {
			t.Errorf("%s imports %s: imports only go down", name, other)
		}
		return
	}
	for library, owners := range homes {
		if strings.HasPrefix(path, library) && !slices.ContainsFunc(owners, func(o string) bool { return within(name, o) }) {
			t.Errorf("%s imports %s, which only %q may", name, path, owners)
		}
	}
}

func checkLight(t *testing.T, name string, deps []string, standard map[string]bool) {
	t.Helper()
	for _, d := range deps {
		_, ours := internal(d)
		if !standard[d] && !ours && !strings.HasPrefix(d, "golang.org/x/sys/") && d != specification {
			t.Errorf("%s is light, but needs %s", name, d)
		}
		if slices.Contains(heavy, d) {
			t.Errorf("%s is light, but needs %s", name, d)
		}
	}
}

// internal gives a package's path within the module.
func internal(path string) (string, bool) {
	if path == module {
		return "", true
	}
	return strings.CutPrefix(path, module+"/")
}

// within says whether name is the package owner or below it; main is only itself.
func within(name, owner string) bool {
	return name == owner || owner != "" && strings.HasPrefix(name, owner+"/")
}

// sameTree says whether both belong to the package that one rank names, as engine/cli and engine/cli/flags do.
func sameTree(a, b string) bool { return prefix(a) == prefix(b) && a != b }

func rank(name string) int { return ranks[prefix(name)] }

// prefix is the longest key of ranks that name is within.
func prefix(name string) string {
	best := ""
	for p := range ranks {
		if within(name, p) && len(p) > len(best) {
			best = p
		}
	}
	return best
}

func listPackages(t *testing.T) []goPackage {
	t.Helper()
	if os.Getenv("HOY_TEST_NO_GO") != "" {
		t.Skip("the go command is not to be used here; the same sources are checked by another run")
	}
	cmd := exec.Command("go", "list", "-deps", "-json=ImportPath,Standard,Imports,Deps", "./...")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []goPackage
	for dec := json.NewDecoder(strings.NewReader(string(out))); dec.More(); {
		var p goPackage
		if err := dec.Decode(&p); err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	return all
}

package rootless

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestNeedsUserns(t *testing.T) {
	for _, c := range []struct {
		line string
		want bool
	}{
		{"", false},
		{"--help", false},
		{"run --help", false},
		{"container", false},
		{"--root", false},
		{"--root run ps", false}, // the value of --root is not the command
		{"ps -a", false},
		{"exec c1 run", false},
		{"image ls", false},
		{"image inspect rm", false},
		{"volume create v", false},
		{"container exec c run", false},
		{"run img ls --help", true},
		{"-D --root /x run img", true},
		{"--root=/x pull img", true},
		{"container run img", true},
		{"image rm x", true},
		{"volume rm x", true},
		{"volume prune", true},
		{"system prune", true},
		{"system info", false},
		{"rmi x", true},
	} {
		if got := NeedsUserns(strings.Fields(c.line)); got != c.want {
			t.Errorf("hoy %s: %v, want %v", c.line, got, c.want)
		}
	}
}

func TestGlobalValue(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{"", ""},
		{"--root", ""},
		{"run --root /x", ""},
		{"--run /x --root /y run", "/y"},
		{"-D --root=/z run", "/z"},
		{"--run --root run", ""},
	} {
		if got := globalValue(strings.Fields(c.line), "--root"); got != c.want {
			t.Errorf("hoy %s: %q, want %q", c.line, got, c.want)
		}
	}
}

func TestSubordinate(t *testing.T) {
	file := filepath.Join(t.TempDir(), "subuid")
	text := "# comment\nann:1\nann:x:5\nann:100:0\n:7:7\nann:100000:65536\n1001:300000:10\nbob:200000:65536\nann:500000:5\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		file, name string
		uid        int
		want       []idRange
	}{
		{file + "x", "ann", 1001, nil},
		{file, "eve", 1002, nil},
		{file, "", 1002, nil},
		{file, "ann", 1001, []idRange{{100000, 65536}, {300000, 10}, {500000, 5}}},
		{file, "", 1001, []idRange{{300000, 10}}},
	} {
		if got := subordinate(c.file, c.name, c.uid); !reflect.DeepEqual(got, c.want) {
			t.Errorf("subordinate(%s, %q, %d) = %v, want %v", filepath.Base(c.file), c.name, c.uid, got, c.want)
		}
	}
}

func TestMappingArgs(t *testing.T) {
	m := mapping{"newuidmap", []idRange{{100000, 65536}, {300000, 10}}, 1001}
	want := "42 0 1001 1 1 100000 65536 65537 300000 10"
	if got := strings.Join(m.args(42), " "); got != want {
		t.Errorf("args = %s, want %s", got, want)
	}
}

func TestTooOld(t *testing.T) {
	for release, want := range map[string]bool{"": false, "x.y": false, "4.18.0-553.el8": true, "5.4": true, "5.11.22-generic": true, "5.12": false, "5.15.0-1-amd64": false, "6.1.0": false, "10.0-rc1": false} {
		if got := tooOld(release); got != want {
			t.Errorf("%q: %v, want %v", release, got, want)
		}
	}
}

package bundle

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestReadLine(t *testing.T) {
	for _, c := range []struct {
		line string
		want string // root, verb, id, bundle, pid file; "" where it is the whole program's
	}{
		{"run c", " run c  "},
		{"--root /r run --bundle /b -d c", "/r run c /b "},
		{"--root=/r create -b /b --pid-file=/p c", "/r create c /b /p"},
		{"start c", " start c  "},
		{"delete c", " delete c  "},
		{"delete --force c", " delete c  "},
		{"delete --all c", ""},
		{"start --force c", ""},
		{"start -d c", ""},
		{"create -d c", ""},
		{"run", ""},
		{"run c d", ""},
		{"run ../c", ""},
		{"run --bundle", ""},
		{"run --help", ""},
		{"--root /r --log /l --log-format json create --bundle /b --pid-file /p --console-socket /s c", "/r create c /b /p"},
		{"--log=/l --log-format=text start c", " start c  "},
		{"--log-format xml start c", ""},
		{"--debug start c", ""},
		{"--systemd-cgroup run c", ""},
		{"--systemd-cgroup create c", ""},
		{"--systemd-cgroup start c", " start c  "},
		{"--systemd-cgroup delete c", " delete c  "},
		{"state c", ""},
		{"", ""},
	} {
		l, ok := readLine(strings.Fields(c.line))
		got := strings.Join([]string{l.root, l.verb, l.id, l.create.Bundle, l.create.PidFile}, " ")
		if ok != (c.want != "") || ok && got != c.want {
			t.Errorf("%q: %q, %v", c.line, got, ok)
		}
	}
}

func TestCheckID(t *testing.T) {
	for id, ok := range map[string]bool{"a": true, "A_b+c-d.1": true, "": false, ".": false, "..": false, "a/b": false, "a b": false, ",seccomp": false, "é": false} {
		if err := checkID(id); (err == nil) != ok || err != nil && !errors.Is(err, ErrInvalidID) {
			t.Errorf("%q: %v", id, err)
		}
	}
}

func TestParseSpec(t *testing.T) {
	for text, want := range map[string]string{
		`{"ociVersion": "1.0.0"}`:                  "",
		`{"ociVersion": "1.2.9-dev", "newer": {}}`: "",
		`{"ociVersion": "2.0.0"}`:                  `ociVersion "2.0.0"`,
		`{}`:                                       `ociVersion ""`,
		`{"ociVersion": 1}`:                        "decode the specification",
		``:                                         "decode the specification",
	} {
		_, err := parseSpec([]byte(text))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestLog(t *testing.T) {
	file := filepath.Join(t.TempDir(), "log")
	for _, l := range []Log{{}, {file, "json"}, {file, "text"}} {
		if err := l.Write("error", errors.New(`start failed: "x"`)); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if want := `^\{"level":"error","msg":"start failed: \\"x\\"","time":"\S+"\}\ntime="\S+" level=error msg="start failed: \\"x\\""\n$`; !regexp.MustCompile(want).Match(got) {
		t.Errorf("%s%v", got, err)
	}
	if err := (&Log{filepath.Join(file, "no"), "text"}).Write("error", errors.New("x")); err == nil || !strings.Contains(err.Error(), "--log: ") {
		t.Error(err)
	}
}

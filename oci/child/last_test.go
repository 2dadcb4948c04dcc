package child

import (
	"slices"
	"testing"

	"codeberg.org/hoy/hoy/oci/nsenter/raw"
	"golang.org/x/sys/unix"
)

func TestCandidates(t *testing.T) {
	tests := []struct {
		name string
		env  []string
		want []string
	}{
		{"", []string{"PATH=/bin"}, nil},
		{"sh", nil, nil},
		{"sh", []string{"PATH="}, nil},
		{"sh", []string{"XPATH=/x", "PATH=/old", "PATH=/bin::/usr/bin/"}, []string{"/bin/sh", "/usr/bin/sh"}},
		{"/sh", []string{"PATH=/bin"}, []string{"/sh"}},
		{"./sh", []string{"PATH=/bin"}, []string{"./sh"}},
		{"a/../sh", nil, []string{"a/../sh"}},
	}
	for _, tt := range tests {
		if got := Candidates(tt.name, tt.env); !slices.Equal(got, tt.want) {
			t.Errorf("%q %q: got %q, want %q", tt.name, tt.env, got, tt.want)
		}
	}
}

func TestWithHome(t *testing.T) {
	env := make([]string, 1, 4)
	env[0] = "A=1"
	if got := WithHome(env, "/root"); !slices.Equal(got, []string{"A=1", "HOME=/root"}) || env[:2][1] != "" {
		t.Errorf("got %q, the caller's array %q", got, env[:2])
	}
	if got := WithHome([]string{"HOME=/x"}, "/root"); !slices.Equal(got, []string{"HOME=/x"}) {
		t.Errorf("got %q", got)
	}
}

func TestExplain(t *testing.T) {
	stat := func(mode uint32) func(string, *unix.Stat_t) error {
		return func(_ string, st *unix.Stat_t) error { st.Mode = mode; return nil }
	}
	none := func(string, *unix.Stat_t) error { return unix.ENOENT }
	tests := []struct {
		command string
		errno   unix.Errno
		stat    func(string, *unix.Stat_t) error
		want    string
	}{
		{"foo", unix.ENOENT, none, `exec: "c": executable file not found in $PATH`},
		{"/foo", unix.ENOENT, none, `exec: "c": no such file or directory`},
		{"/foo", unix.EACCES, none, `exec: "c": permission denied`},
		{"/foo", unix.EACCES, stat(unix.S_IFDIR | 0o755), `exec: "c": is a directory: permission denied`},
		{"/foo", unix.ENOENT, stat(unix.S_IFREG | 0o755), `exec: "c": its interpreter is missing: no such file or directory`},
		{"foo", unix.ENOENT, stat(unix.S_IFREG | 0o644), `exec: "c": executable file not found in $PATH`},
	}
	for _, tt := range tests {
		f := &raw.Failure{Label: raw.Label{Step: StepExec, Path: `"c"`}, Errno: tt.errno}
		if got := Explain(f, tt.command, []string{"PATH=/bin"}, tt.stat).Error(); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.command, got, tt.want)
		}
	}
	if got := Explain(&raw.Failure{Label: raw.Label{Step: "user", Path: "1:1"}, Errno: unix.EINVAL}, "x", nil, none).Error(); got != "user: 1:1: this user namespace has no such id: invalid argument" {
		t.Errorf("got %s", got)
	}
}

func TestParseOptions(t *testing.T) {
	got := parseOptions("size=64m,,ro,mode=1777,k=a=b")
	want := []option{{"size", "64m"}, {"ro", ""}, {"mode", "1777"}, {"k", "a=b"}}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	for i, s := range []string{"size=64m", "ro", "mode=1777", "k=a=b"} {
		if want[i].String() != s {
			t.Errorf("%v is written %q", want[i], want[i].String())
		}
	}
}

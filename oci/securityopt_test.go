package oci

import (
	"errors"
	"os"
	"reflect"
	"slices"
	"testing"
)

func TestSecurity(t *testing.T) {
	for in, want := range map[string]string{
		"":                      `invalid --security-opt 1: ""`,
		"foo":                   `invalid --security-opt 1: "foo"`,
		"seccomp":               `invalid --security-opt 1: "seccomp"`,
		"foo=bar":               `invalid --security-opt 2: "foo=bar"`,
		"no-new-privileges=x":   `invalid --security-opt 2: "no-new-privileges=x"`,
		"systempaths=confined":  `invalid --security-opt 2: "systempaths=confined"`,
		"mask=proc/x":           `invalid --security-opt 2: "mask=proc/x"`,
		"unmask=/proc/[":        `invalid --security-opt 2: "unmask=/proc/["`,
		"writeable-cgroups=yes": `invalid --security-opt 2: "writeable-cgroups=yes"`,
	} {
		c := Config{SecurityOpt: []string{in}}
		if _, err := c.Security(); err == nil || err.Error() != want {
			t.Errorf("%q: got %v, want %q", in, err, want)
		}
	}
	c := Config{SecurityOpt: []string{"no-new-privileges", "seccomp=unconfined", "apparmor:unconfined", "label=disable", "disable",
		"mask=/a:/b/", "unmask=/proc/*", "systempaths=unconfined", "writable-cgroups=true"}}
	want := Security{NoNewPrivileges: true, Seccomp: "unconfined", AppArmor: "unconfined", Labels: []string{"disable", "disable"},
		Mask: []string{"/a", "/b"}, Unmask: []string{"/proc/*", "ALL"}, WritableCgroups: true}
	if got, err := c.Security(); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
	for in, want := range map[string]bool{"no-new-privileges:true": true, "no-new-privileges=false": false, "no-new-privileges:1": true} {
		c := Config{SecurityOpt: []string{in}}
		if got, err := c.Security(); err != nil || got.NoNewPrivileges != want {
			t.Errorf("%q: got %+v, %v", in, got, err)
		}
	}
}

func TestReadSecurityOpts(t *testing.T) {
	read := func(name string) ([]byte, error) {
		switch name {
		case "good.json":
			return []byte("{\n \"a\": 1\n}"), nil
		case "bad.json":
			return []byte("{"), nil
		}
		return nil, os.ErrNotExist
	}
	for in, want := range map[string]string{
		"seccomp":          `invalid --security-opt: "seccomp"`,
		"seccomp=none":     "opening seccomp profile (none) failed: file does not exist",
		"seccomp:bad.json": "compacting json for seccomp profile (bad.json) failed: unexpected end of JSON input",
	} {
		if _, err := ReadSecurityOpts([]string{in}, read); err == nil || err.Error() != want {
			t.Errorf("%q: got %v, want %q", in, err, want)
		}
	}
	if _, err := ReadSecurityOpts([]string{"seccomp=none"}, read); !errors.Is(err, os.ErrNotExist) {
		t.Error("the cause is lost")
	}
	in := []string{"seccomp=unconfined", "seccomp=builtin", "seccomp=good.json", "no-new-privileges", "label=disable"}
	want := []string{"seccomp=unconfined", "seccomp=builtin", `seccomp={"a":1}`, "no-new-privileges", "label=disable"}
	if got, err := ReadSecurityOpts(in, read); err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestSystemPaths(t *testing.T) {
	for _, c := range []struct {
		s                Security
		masked, readonly []string
	}{
		{Security{}, []string{"/proc/a", "/sys/b"}, []string{"/proc/c"}},
		{Security{Unmask: []string{"ALL"}}, nil, nil},
		{Security{Unmask: []string{"ALL"}, Mask: []string{"/x"}}, []string{"/x"}, nil},
		{Security{Unmask: []string{"/proc/*"}}, []string{"/sys/b"}, nil},
		{Security{Unmask: []string{"/sys/b"}, Mask: []string{"/x"}}, []string{"/proc/a", "/x"}, []string{"/proc/c"}},
	} {
		m, r := c.s.systemPaths([]string{"/proc/a", "/sys/b"}, []string{"/proc/c"})
		if !slices.Equal(m, c.masked) || !slices.Equal(r, c.readonly) {
			t.Errorf("%+v: got %v and %v", c.s, m, r)
		}
	}
}

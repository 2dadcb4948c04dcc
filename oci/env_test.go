package oci

import (
	"slices"
	"strings"
	"testing"
)

func lookup(key string) (string, bool) {
	value, ok := map[string]string{"HOST": "h=1", "EMPTY": "", "SECRET": "s"}[key]
	return value, ok
}

func TestParseEnvFile(t *testing.T) {
	for in, want := range map[string]string{
		"A=1\nB C=2\n":                     "variable 'B C' contains whitespaces",
		"=1\n":                             "no variable name on line '=1'",
		"A=1\n\xff=2\n":                    "invalid utf8 bytes at line 2: [255 61 50]",
		"A=" + strings.Repeat("x", 70_000): "bufio.Scanner: token too long",
	} {
		if _, err := ParseEnvFile(strings.NewReader(in), lookup); err == nil || err.Error() != want {
			t.Errorf("%.20q: got %v, want %q", in, err, want)
		}
	}
	in := "\uFEFFA=1\r\n\n  # comment\n  B= two words # kept \nC=\"quoted\"\nHOST\nUNSET\nEMPTY\nD=$A\nE==\nA=2"
	want := []string{"A=1", "B= two words # kept ", `C="quoted"`, "HOST=h=1", "EMPTY=", "D=$A", "E==", "A=2"}
	got, err := ParseEnvFile(strings.NewReader(in), lookup)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestParseLabelFile(t *testing.T) {
	got, err := ParseLabelFile(strings.NewReader("a=1\nb\n#c\n"))
	if err != nil || !slices.Equal(got, []string{"a=1", "b="}) {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestResolveEnv(t *testing.T) {
	for _, bad := range []string{"", "=", "=x"} {
		if _, err := ResolveEnv([]string{bad}, lookup); err == nil || err.Error() != "invalid environment variable: "+bad {
			t.Errorf("%q: got %v", bad, err)
		}
	}
	got, err := ResolveEnv([]string{"A=1", "HOST", "EMPTY", "UNSET", "HOST=2"}, lookup)
	if err != nil || !slices.Equal(got, []string{"A=1", "HOST=h=1", "EMPTY=", "UNSET", "HOST=2"}) {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestMergeEnv(t *testing.T) {
	for _, c := range []struct{ image, user, want []string }{
		{nil, nil, nil},
		{[]string{"A=1", "B=2"}, []string{"B=3", "C=4"}, []string{"A=1", "B=3", "C=4"}},
		{[]string{"A=1", "A=2"}, []string{"C=1", "C=2"}, []string{"A=2", "C=2"}},
		{[]string{"A=1", "B=2"}, []string{"A"}, []string{"B=2"}},
		{[]string{"A=1"}, []string{"A", "A=2"}, []string{"A=2"}},
		{[]string{"SECRET", "*", "=x", "", "A=B", "N=a\x00b"}, nil, []string{"A=B"}}, // CVE-2026-57231
		{[]string{"AB=1"}, []string{"A"}, []string{"AB=1"}},
	} {
		if got := MergeEnv(c.image, c.user); !slices.Equal(got, c.want) {
			t.Errorf("%q and %q: got %q, want %q", c.image, c.user, got, c.want)
		}
	}
}

func FuzzParseEnvFile(f *testing.F) {
	f.Add("A=1\nB\n# c\n")
	f.Add("\uFEFF A = 1")
	f.Fuzz(func(t *testing.T, s string) {
		list, err := ParseEnvFile(strings.NewReader(s), lookup)
		if err != nil {
			return
		}
		for _, e := range list {
			if strings.IndexByte(e, '=') < 1 || strings.Contains(e, "\n") {
				t.Errorf("%q gives %q", s, e)
			}
		}
	})
}

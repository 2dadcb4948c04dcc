package engine

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestParseKeys(t *testing.T) {
	for _, test := range []struct{ in, want string }{
		{"", "\x10\x11"},
		{"ctrl-p,ctrl-q", "\x10\x11"},
		{"ctrl-P", "\x10"},
		{"a,b", "ab"},
		{"ctrl-@,ctrl-[,ctrl-\\,ctrl-],ctrl-^,ctrl-_", "\x00\x1b\x1c\x1d\x1e\x1f"},
		{"ctrl-", "error"},
		{"ctrl-1", "error"},
		{"ab", "error"},
		{"a,,b", "error"},
		{"é", "error"},
	} {
		got, err := parseKeys(test.in)
		if err != nil {
			got = []byte("error")
		}
		if string(got) != test.want {
			t.Errorf("%q: %q (%v) instead of %q", test.in, got, err, test.want)
		}
	}
}

func TestKeyReader(t *testing.T) {
	for _, test := range []struct {
		in, want string
		detached bool
	}{
		{"abc", "abc", false},
		{"a\x10\x11b", "a", true},
		{"\x10\x11", "", true},
		{"a\x10b", "a\x10b", false},
		{"\x10\x10\x11", "\x10", true},
		{"a\x10", "a\x10", false},
		{"\x11\x10", "\x11\x10", false},
	} {
		for name, from := range map[string]io.Reader{
			"whole":  strings.NewReader(test.in),
			"single": iotest.OneByteReader(strings.NewReader(test.in)),
			"eof":    iotest.DataErrReader(strings.NewReader(test.in)),
		} {
			got, err := io.ReadAll(newKeyReader(from, []byte("\x10\x11")))
			if string(got) != test.want || errors.Is(err, ErrDetached) != test.detached {
				t.Errorf("%q %s: %q, %v", test.in, name, got, err)
			}
		}
	}
}

func TestNoKeys(t *testing.T) {
	got, err := io.ReadAll(newKeyReader(strings.NewReader("a\x10\x11b"), nil))
	if string(got) != "a\x10\x11b" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

package engine

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestSeekTail(t *testing.T) {
	long := strings.Repeat("x", 40<<10)
	for _, test := range []struct {
		in   string
		n    int
		want string
	}{
		{"", 1, ""},
		{"a\nb\nc\n", -1, "a\nb\nc\n"},
		{"a\nb\nc\n", 0, ""},
		{"a\nb\nc\n", 1, "c\n"},
		{"a\nb\nc\n", 2, "b\nc\n"},
		{"a\nb\nc\n", 3, "a\nb\nc\n"},
		{"a\nb\nc\n", 9, "a\nb\nc\n"},
		{"a\nb", 1, "b"},
		{"a\n" + long + "\nc\n", 2, long + "\nc\n"},
	} {
		path := filepath.Join(t.TempDir(), "log")
		os.WriteFile(path, []byte(test.in), 0o600)
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := seekTail(f, test.n); err != nil {
			t.Error(err)
		}
		got, _ := io.ReadAll(f)
		f.Close()
		if string(got) != test.want {
			t.Errorf("%.20q %d: %.20q", test.in, test.n, got)
		}
	}
}

func TestLogWriter(t *testing.T) {
	in := `{"log":"one\n","stream":"stdout","time":"2020-01-01T00:00:01Z"}
{"log":"two\n","stream":"stderr","time":"2020-01-01T00:00:02.5Z"}
half of a line {"log
{"log":"three","stream":"stdout","time":"2020-01-01T00:00:03Z"}
`
	at := func(second int) time.Time { return time.Date(2020, 1, 1, 0, 0, second, 0, time.UTC) }
	for _, test := range []struct {
		name     string
		o        LogsOptions
		out, err string
	}{
		{"all", LogsOptions{}, "one\nthree", "two\n"},
		{"since", LogsOptions{Since: at(2)}, "three", "two\n"},
		{"until", LogsOptions{Until: at(2)}, "one\n", ""},
		{"timestamps", LogsOptions{Timestamps: true}, "2020-01-01T00:00:01.000000000Z one\n2020-01-01T00:00:03.000000000Z three", "2020-01-01T00:00:02.500000000Z two\n"},
		{"details", LogsOptions{Details: true}, " one\n three", " two\n"},
	} {
		var out, err bytes.Buffer
		test.o.Out, test.o.Err = &out, &err
		w := &logWriter{test.o}
		if failed := w.copy(strings.NewReader(in)); failed != nil {
			t.Error(failed)
		}
		if out.String() != test.out || err.String() != test.err {
			t.Errorf("%s: %q and %q", test.name, out.String(), err.String())
		}
	}
}

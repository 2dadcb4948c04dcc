package logfile

import (
	"bytes"
	"encoding/json"
	"fmt"
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
		have int
	}{
		{"", 1, "", 0},
		{"a\nb\nc\n", 0, "", 0},
		{"a\nb\nc\n", 1, "c\n", 1},
		{"a\nb\nc\n", 2, "b\nc\n", 2},
		{"a\nb\nc\n", 3, "a\nb\nc\n", 3},
		{"a\nb\nc\n", 9, "a\nb\nc\n", 3},
		{"a\nb", 1, "b", 1},
		{"a\n" + long + "\nc\n", 2, long + "\nc\n", 2},
	} {
		path := filepath.Join(t.TempDir(), "log")
		os.WriteFile(path, []byte(test.in), 0o600)
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		have, err := seekTail(f, test.n)
		if err != nil || have != test.have {
			t.Errorf("%.20q %d: %d lines, %v", test.in, test.n, have, err)
		}
		got, _ := io.ReadAll(f)
		f.Close()
		if string(got) != test.want {
			t.Errorf("%.20q %d: %.20q", test.in, test.n, got)
		}
	}
}

func TestRead(t *testing.T) {
	in := `{"log":"one\n","stream":"stdout","time":"2020-01-01T00:00:01Z"}
{"log":"two\n","stream":"stderr","attrs":{"b":"2","a":"1"},"time":"2020-01-01T00:00:02.5Z"}
half of a line {"log
{"log":"three","stream":"stdout","time":"2020-01-01T00:00:03Z"}
`
	path := filepath.Join(t.TempDir(), "log")
	os.WriteFile(path, []byte(in), 0o600)
	at := func(second int) time.Time { return time.Date(2020, 1, 1, 0, 0, second, 0, time.UTC) }
	for _, test := range []struct {
		name     string
		o        Options
		out, err string
	}{
		{"all", Options{}, "one\nthree", "two\n"},
		{"since", Options{Since: at(2)}, "three", "two\n"},
		{"until", Options{Until: at(2)}, "one\n", ""},
		{"timestamps", Options{Timestamps: true}, "2020-01-01T00:00:01.000000000Z one\n2020-01-01T00:00:03.000000000Z three", "2020-01-01T00:00:02.500000000Z two\n"},
		{"details", Options{Details: true}, " one\n three", "a=1,b=2 two\n"},
	} {
		var out, err bytes.Buffer
		test.o.Out, test.o.Err, test.o.Tail = &out, &err, -1
		if failed := Read(path, test.o); failed != nil {
			t.Error(failed)
		}
		if out.String() != test.out || err.String() != test.err {
			t.Errorf("%s: %q and %q", test.name, out.String(), err.String())
		}
	}
}

// line is an entry as the monitor writes it.
func line(text string) string {
	data, _ := json.Marshal(text)
	return `{"log":` + string(data) + `,"stream":"stdout","time":"2020-01-01T00:00:01Z"}` + "\n"
}

func read(t *testing.T, path string, tail int) string {
	t.Helper()
	var out strings.Builder
	if err := Read(path, Options{Out: &out, Tail: tail}); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// TestRotated: old files, compressed or not, come first, and a tail goes back into them.
func TestRotated(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	write := func(name string, from, to int) {
		var text strings.Builder
		for i := from; i <= to; i++ {
			text.WriteString(line(fmt.Sprintln(i)))
		}
		os.WriteFile(name, []byte(text.String()), 0o600)
	}
	write(path+".3", 1, 2)
	if err := Pack(path + ".3"); err != nil {
		t.Fatal(err)
	}
	write(path+".2", 3, 4)
	if err := Pack(path + ".2"); err != nil {
		t.Fatal(err)
	}
	write(path+".1", 5, 6)
	write(path, 7, 8)
	for tail, want := range map[int]string{
		-1: "1\n2\n3\n4\n5\n6\n7\n8\n", 0: "", 1: "8\n", 2: "7\n8\n", 3: "6\n7\n8\n", 5: "4\n5\n6\n7\n8\n", 6: "3\n4\n5\n6\n7\n8\n", 7: "2\n3\n4\n5\n6\n7\n8\n", 99: "1\n2\n3\n4\n5\n6\n7\n8\n",
	} {
		if got := read(t, path, tail); got != want {
			t.Errorf("tail %d: %q", tail, got)
		}
	}
	if _, err := os.Stat(path + ".3"); err == nil {
		t.Error("the file that was compressed is still there")
	}
}

// TestFollowRotated: what is written while the files are moved, even twice between two looks, is all read, once.
func TestFollowRotated(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	steps := []func(){
		func() { os.WriteFile(path, []byte(line("a\n")), 0o600) },
		func() { // appended, moved, and a new one
			f, _ := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
			f.WriteString(line("b\n"))
			f.Close()
			os.Rename(path, path+".1")
			os.WriteFile(path, []byte(line("c\n")), 0o600)
		},
		func() { // moved twice
			os.Rename(path+".1", path+".2")
			os.Rename(path, path+".1")
			os.WriteFile(path, []byte(line("d\n")), 0o600)
			os.Rename(path+".2", path+".3")
			os.Rename(path+".1", path+".2")
			Pack(path + ".2")
			os.Rename(path, path+".1")
			os.WriteFile(path, []byte(line("e\n")), 0o600)
		},
	}
	var out strings.Builder
	more := func() bool {
		if len(steps) == 0 {
			return false
		}
		steps[0]()
		steps = steps[1:]
		return true
	}
	if err := Read(path, Options{Out: &out, Tail: -1, More: more}); err != nil {
		t.Fatal(err)
	}
	if out.String() != "a\nb\nc\nd\ne\n" {
		t.Errorf("%q", out.String())
	}
}

// FuzzParse: the fast way reads what encoding/json reads.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"a\n", "\"\\\t\r\x00é<>&\u2028", `{"log":"`, `","stream":"stderr","time":"`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		in := []byte(line(text))
		var want stored
		if err := json.Unmarshal(in, &want); err != nil {
			t.Skip()
		}
		var e entry
		if !e.parse(in) || string(e.text) != want.Log || e.stderr || string(e.stamp) != "2020-01-01T00:00:01Z" {
			t.Errorf("%q: %q", in, e.text)
		}
		var raw entry
		if raw.parsePlain([]byte(text)) { // whatever it takes, it takes as the decoder does
			var same stored
			if json.Unmarshal([]byte(text), &same) != nil || same.Log != string(raw.text) {
				t.Errorf("%q: %q", text, raw.text)
			}
		}
	})
}

func BenchmarkRead(b *testing.B) {
	path := filepath.Join(b.TempDir(), "log")
	text := strings.Repeat(line(strings.Repeat("x", 80)+"\n"), 100_000)
	os.WriteFile(path, []byte(text), 0o600)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		Read(path, Options{Out: io.Discard, Tail: -1})
	}
}

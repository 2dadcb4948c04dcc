package monitor

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// written is the log after some output, decoded.
func written(t *testing.T, do func(*logger)) []map[string]string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "log")
	l := fileLogger(path)
	do(l)
	l.close()
	data, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	var list []map[string]string
	for line := range bytes.Lines(data) {
		one := map[string]string{}
		if err := json.Unmarshal(line, &one); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if _, err := time.Parse(time.RFC3339Nano, one["time"]); err != nil {
			t.Errorf("time: %v", err)
		}
		list = append(list, one)
	}
	return list
}

func TestLogNothing(t *testing.T) {
	if got := written(t, func(*logger) {}); got != nil {
		t.Errorf("a log of nothing: %v", got)
	}
}

func TestLogUnwritable(t *testing.T) {
	l := fileLogger("/nonexistent/log")
	l.output(Stdout, []byte("a\nb\n"))
	l.close()
}

func TestLogLines(t *testing.T) {
	long := strings.Repeat("x", maxLine+10)
	for _, test := range []struct {
		name string
		in   []string // o: stdout, e: stderr, before the text
		want []string
	}{
		{"one line", []string{"oa\n"}, []string{"oa\n"}},
		{"two at once", []string{"oa\nb\n"}, []string{"oa\n", "ob\n"}},
		{"an empty line", []string{"o\n\n"}, []string{"o\n", "o\n"}},
		{"in pieces", []string{"oa", "ob\nc", "od\n"}, []string{"oab\n", "ocd\n"}},
		{"no newline at the end", []string{"oa\nb"}, []string{"oa\n", "ob"}},
		{"two streams", []string{"oa", "eb\n", "oc\n"}, []string{"eb\n", "oac\n"}},
		{"a long line", []string{"o" + long + "\n"}, []string{"o" + long[:maxLine], "o" + long[maxLine:] + "\n"}},
		{"a long line in pieces", []string{"o" + long[:maxLine-1], "o" + long[maxLine-1:] + "\n"}, []string{"o" + long[:maxLine], "o" + long[maxLine:] + "\n"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := written(t, func(l *logger) {
				for _, in := range test.in {
					l.output(streamOf(in), []byte(in[1:]))
				}
			})
			if len(got) != len(test.want) {
				t.Fatalf("%d lines instead of %d", len(got), len(test.want))
			}
			for i, want := range test.want {
				if text := got[i]["stream"][3:4] + got[i]["log"]; text != want {
					t.Errorf("line %d: %.40q instead of %.40q", i, text, want)
				}
			}
		})
	}
}

func streamOf(in string) Streams {
	if in[0] == 'e' {
		return Stderr
	}
	return Stdout
}

func TestLogFormat(t *testing.T) {
	when := time.Date(2020, 1, 2, 3, 4, 5, 600, time.FixedZone("", 3600))
	got := string(appendEntry(nil, []byte("a\"\\\t\r\x01<&>\u2028\xffé\n"), "stderr", "", when))
	want := `{"log":"a\"\\\t\r\u0001\u003c\u0026\u003e\u2028\ufffdé\n","stream":"stderr","time":"2020-01-02T02:04:05.0000006Z"}` + "\n"
	if got != want {
		t.Errorf("%s instead of\n%s", got, want)
	}
}

func FuzzLog(f *testing.F) {
	f.Add([]byte("a\nb\xff\x00\"\\"))
	f.Fuzz(func(t *testing.T, in []byte) {
		entry := appendEntry(nil, in, "stdout", "", time.Now())
		var one struct{ Log string }
		if err := json.Unmarshal(entry, &one); err != nil {
			t.Fatalf("%q: %v", entry, err)
		}
		if want := strings.ToValidUTF8(string(in), ""); strings.ReplaceAll(one.Log, "\ufffd", "") != strings.ReplaceAll(want, "\ufffd", "") {
			t.Fatalf("%q became %q", in, one.Log)
		}
	})
}

// fileLogger logs to one file.
func fileLogger(path string) *logger {
	return &logger{file: &logFile{path: path, o: &Log{Files: 1}, lostPath: path + ".lost"}}
}

// TestLogRotated: no file is longer than a line more than allowed, no more files are kept, and the lines are in order.
func TestLogRotated(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l := fileLogger(path)
	l.file.o = &Log{Files: 3, MaxSize: 300}
	for i := range 50 {
		l.output(Stdout, []byte(strings.Repeat("x", i)+"\n"+strings.Repeat("y", i)+"\n"))
	}
	l.close()
	entries, _ := os.ReadDir(filepath.Dir(path))
	if len(entries) != 3 {
		t.Errorf("%d files", len(entries))
	}
	var all []byte
	for _, name := range []string{".2", ".1", ""} {
		data, err := os.ReadFile(path + name)
		if err != nil || len(data) > 300+150 {
			t.Errorf("log%s: %d bytes, %v", name, len(data), err)
		}
		all = append(all, data...)
	}
	want := strings.Repeat("x", 49) + `\n","stream":"stdout"`
	if !strings.Contains(string(all), want) || strings.Index(string(all), strings.Repeat("x", 47)+`\n`) > strings.Index(string(all), want) {
		t.Errorf("%s", all)
	}
	l = fileLogger(path)
	l.file.o = &Log{Files: 1, MaxSize: 300}
	for range 50 {
		l.output(Stdout, []byte("line\n"))
	}
	l.close()
	if fi, err := os.Stat(path); err != nil || fi.Size() > 400 {
		t.Error(fi, err)
	}
}

func TestAppendField(t *testing.T) {
	got := AppendField(AppendField(nil, "A", []byte("b")), "M", []byte("x\ny"))
	if string(got) != "A=b\nM\n\x03\x00\x00\x00\x00\x00\x00\x00x\ny\n" {
		t.Errorf("%q", got)
	}
}

// TestJournal: lines reach a socket that listens as the journal does.
func TestJournal(t *testing.T) {
	name := filepath.Join(t.TempDir(), "socket")
	t.Setenv("HOY_JOURNAL_SOCKET", name)
	if CheckJournal() == nil {
		t.Error("a journal that is not there")
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: name}); err != nil {
		t.Fatal(err)
	}
	if err := CheckJournal(); err != nil {
		t.Error(err)
	}
	l := &logger{journal: &journal{fields: []byte("CONTAINER_NAME=web\n")}}
	l.output(Stdout, []byte("one\n\ntw"))
	l.output(Stderr, []byte("bad\n"))
	l.close()
	for _, want := range []string{
		"CONTAINER_NAME=web\nPRIORITY=6\nMESSAGE=one\n",
		"CONTAINER_NAME=web\nPRIORITY=3\nMESSAGE=bad\n",
		"CONTAINER_NAME=web\nPRIORITY=6\nCONTAINER_PARTIAL_MESSAGE=true\nMESSAGE=tw\n",
	} {
		buf := make([]byte, 1024)
		n, _, err := unix.Recvfrom(fd, buf, unix.MSG_DONTWAIT)
		if err != nil || string(buf[:n]) != want {
			t.Errorf("%q instead of %q, %v", buf[:max(n, 0)], want, err)
		}
	}
}

package progress

import (
	"errors"
	"regexp"
	"strings"
	"testing"
)

// seconds are different in each run.
var seconds = regexp.MustCompile(`\d+\.\d+`)

func TestPlain(t *testing.T) {
	var out strings.Builder
	p := New(&out, "plain")
	a, b, c := p.Step("[a 1/2] RUN one"), p.Step("[b 1/1] RUN two"), p.Step("[a 2/2] COPY . .")
	a.Begin()
	a.Write([]byte("first\nsec"))
	b.Begin()
	b.Write([]byte("other\r\n"))
	a.Write([]byte("ond\n"))
	a.Done()
	a.Done()
	b.Failed(errors.New("no"))
	c.Note("waiting for %s", "another build")
	c.Write([]byte("no newline"))
	c.Cached()
	p.Close()
	want := `#1 [a 1/2] RUN one
#1 N first
#1 N second
#1 DONE Ns

#2 [b 1/1] RUN two
#2 N other
#2 ERROR: no

#3 [a 2/2] COPY . .
#3 waiting for another build
#3 N no newline
#3 CACHED
`
	if got := seconds.ReplaceAllString(out.String(), "N"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// A step that ends is shown at once, in the middle of another's block.
func TestPlainShowsAnEndAtOnce(t *testing.T) {
	var out strings.Builder
	p := New(&out, "plain")
	a, b := p.Step("long"), p.Step("short")
	a.Write([]byte("one\n"))
	b.Write([]byte("text\n"))
	b.Done()
	a.Write([]byte("two\n"))
	a.Done()
	p.Close()
	want := `#1 long
#1 N one
#1 ...

#2 short
#2 N text
#2 DONE Ns

#1 long
#1 N two
#1 DONE Ns
`
	if got := seconds.ReplaceAllString(out.String(), "N"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestQuiet(t *testing.T) {
	var out strings.Builder
	p := New(&out, "quiet")
	s := p.Step("x")
	s.Write([]byte("text\n"))
	s.Canceled()
	p.Close()
	if out.Len() > 0 {
		t.Errorf("got %q", out.String())
	}
	if tail := s.Tail(); len(tail) != 1 || !strings.HasSuffix(tail[0], " text") {
		t.Errorf("tail %q", tail)
	}
}

func TestTailIsShort(t *testing.T) {
	s := New(&strings.Builder{}, "quiet").Step("x")
	s.Write([]byte(strings.Repeat("line\n", 25)))
	if n := len(s.Tail()); n != tailLines {
		t.Errorf("%d lines", n)
	}
}

// A command's output must not be able to move the cursor or to write more than its line.
func TestTTYKeepsItsLines(t *testing.T) {
	var out strings.Builder
	p := New(&out, "tty")
	s := p.Step("[1/1] RUN " + strings.Repeat("long ", 100))
	s.Begin()
	s.Write([]byte("\x1b[2Jcleared\n"))
	s.Failed(errors.New("x"))
	p.Close()
	text := strings.ReplaceAll(out.String(), "\x1b[J", "")
	text = regexp.MustCompile(`\x1b\[\d+A`).ReplaceAllString(text, "")
	if strings.ContainsRune(text, 0x1b) {
		t.Errorf("an escape sequence got through: %q", text)
	}
	for line := range strings.SplitSeq(text, "\n") {
		if len(line) > 80 {
			t.Errorf("a line of %d columns", len(line))
		}
	}
	if !strings.Contains(text, " => ERROR [1/1] RUN") {
		t.Errorf("got %q", text)
	}
}

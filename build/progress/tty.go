package progress

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

const (
	redrawEvery = 100 * time.Millisecond
	shownLines  = 4 // of a running step's output
)

// tty draws the steps as BuildKit does on a terminal: finished ones scroll away, the running ones stay at the bottom and are drawn anew.
type tty struct {
	w       io.Writer
	started time.Time
	running []*Step
	lines   map[*Step][]string // the last lines of running steps' output
	notes   map[*Step][]string // what was said about running steps
	done    []string           // finished since the last drawing
	drawn   int                // lines at the bottom that are drawn anew
	last    time.Time
	count   int
	total   int
}

func newTTY(w io.Writer) *tty {
	return &tty{w: w, started: time.Now(), lines: map[*Step][]string{}, notes: map[*Step][]string{}}
}

func (t *tty) event(s *Step, e event, text string) {
	switch e {
	case begin:
		t.total++
		t.running = append(t.running, s)
	case note:
		notes := t.notes[s]
		if k := len(notes) - 1; k >= 0 && strings.HasPrefix(text, notes[k]) {
			notes = notes[:k] // "exporting layers", then "exporting layers done"
		}
		t.notes[s] = append(notes, text)
	case line:
		keep := append(t.lines[s], text)
		t.lines[s] = keep[max(0, len(keep)-shownLines):]
	case end:
		t.count++
		t.finish(s)
	}
	if e == begin || e == end || time.Since(t.last) >= redrawEvery {
		t.draw()
	}
}

// finish moves a step from the running ones to those that scroll away.
func (t *tty) finish(s *Step) {
	for i, r := range t.running {
		if r == s {
			t.running = append(t.running[:i], t.running[i+1:]...)
			break
		}
	}
	mark := ""
	word, _, _ := strings.Cut(s.result, " ")
	if word != "DONE" {
		mark = strings.TrimSuffix(word, ":") + " "
	}
	t.done = append(t.done, t.row(" => "+mark+s.Name, s.ended.Sub(s.started)))
	for _, n := range t.notes[s] {
		t.done = append(t.done, t.row(" => => "+n, -1))
	}
	delete(t.lines, s)
	delete(t.notes, s)
}

// draw writes what finished and draws the bottom anew.
func (t *tty) draw() {
	var b strings.Builder
	if t.drawn > 0 {
		fmt.Fprintf(&b, "\x1b[%dA\x1b[J", t.drawn) // cursor up, erase below
	}
	for _, d := range t.done {
		b.WriteString(d)
	}
	t.done = nil
	height, _ := t.size()
	bottom := []string{t.head("")}
	for _, s := range t.running {
		bottom = append(bottom, t.row(" => "+s.Name, time.Since(s.started)))
		for _, l := range t.lines[s] {
			bottom = append(bottom, t.row(" => => # "+l, -1))
		}
	}
	bottom = bottom[:min(len(bottom), max(1, height-1))]
	for _, l := range bottom {
		b.WriteString(l)
	}
	t.drawn, t.last = len(bottom), time.Now()
	io.WriteString(t.w, b.String())
}

func (t *tty) head(end string) string {
	return t.row(fmt.Sprintf("[+] Building %.1fs (%d/%d)%s", time.Since(t.started).Seconds(), t.count, t.total, end), -1)
}

// row is a line of the terminal's width, with the time at its right end; a negative one is left out.
func (t *tty) row(text string, d time.Duration) string {
	_, width := t.size()
	right := ""
	if d >= 0 {
		right = fmt.Sprintf(" %.1fs", d.Seconds())
	}
	room := max(10, width-1-len(right))
	text = strings.Map(printable, text)
	if n := utf8.RuneCountInString(text); n > room {
		text = string([]rune(text)[:room])
	} else if right != "" {
		text += strings.Repeat(" ", room-n)
	}
	return text + right + "\n"
}

// printable leaves nothing in a line that moves the cursor.
func printable(r rune) rune {
	if r < ' ' || r == 0x7f {
		return ' '
	}
	return r
}

func (t *tty) size() (height, width int) {
	if f, ok := t.w.(*os.File); ok {
		if ws, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ); err == nil && ws.Col > 0 && ws.Row > 0 {
			return int(ws.Row), int(ws.Col)
		}
	}
	return 24, 80
}

// close leaves the last line as a summary.
func (t *tty) close() {
	t.draw()
	fmt.Fprintf(t.w, "\x1b[%dA\x1b[J%s", t.drawn, t.head(" FINISHED"))
}

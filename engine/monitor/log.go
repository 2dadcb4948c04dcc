package monitor

import (
	"sync"
	"time"
	"unicode/utf8"
)

// maxLine is how much of a line is kept back until its end is seen. A longer one is logged in parts, as Docker does
// (moby daemon/logger/copier.go): a part has no newline at its end.
const maxLine = 16 << 10

// logger splits what a container writes into lines and keeps them: in a file, in the system's journal, or in both.
//
// Nothing it does allocates once its buffers have grown, so that an idle monitor stays small.
type logger struct {
	file    *logFile // nil: none
	journal *journal // nil: none
	ring    *ring    // nil: the container waits for both

	mu   sync.Mutex
	rest [2][]byte // the unfinished line of stdout and stderr
}

// newLogger gives the logger of a container; nil: nothing is kept.
func newLogger(p Place, o *Log) *logger {
	if !o.Kept() {
		return nil
	}
	l := &logger{}
	if o.Files > 0 {
		l.file = &logFile{path: p.File(LogFile), o: o, lostPath: p.RunFile(lostFile)}
	}
	if len(o.Journal) > 0 {
		l.journal = &journal{fields: o.Journal}
	}
	if o.Buffer > 0 {
		l.ring = newRing(o.Buffer, l.keep)
	}
	return l
}

// keep writes lines that were in the ring.
func (l *logger) keep(lines []ringLine, lost int) {
	for i := range lines {
		if lines[i].passed != nil {
			continue
		}
		l.file.add(lines[i].stream, lines[i].text, lines[i].at)
		l.journal.send(lines[i].stream, lines[i].text)
	}
	l.file.flush()
	l.file.lose(lost)
}

// output logs the whole lines of what a stream has written.
func (l *logger) output(s Streams, data []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	rest, now := l.unfinished(s), time.Now()
	start := 0
	for i, c := range data {
		if c != '\n' && len(*rest)+i-start < maxLine-1 {
			continue
		}
		*rest = append(*rest, data[start:i+1]...)
		l.line(s, rest, now)
		start = i + 1
	}
	*rest = append(*rest, data[start:]...)
	l.flush()
}

// flush writes the lines, or leaves that to the ring.
func (l *logger) flush() {
	if l.ring == nil {
		l.file.flush()
	}
}

// close ends the lines and lets go of the file.
func (l *logger) close() {
	l.endLines()
	if l.ring != nil && !l.ring.close() {
		return // it still writes; the monitor ends soon
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.file.close()
	l.journal.close()
}

// endLines logs what has no newline at its end. A nil logger has nothing.
func (l *logger) endLines() {
	if l == nil {
		return
	}
	if l.ring != nil {
		defer l.ring.settle()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range []Streams{Stdout, Stderr} {
		if rest := l.unfinished(s); len(*rest) > 0 {
			l.line(s, rest, time.Now())
		}
	}
	l.flush()
}

func (l *logger) unfinished(s Streams) *[]byte {
	if s == Stderr {
		return &l.rest[1]
	}
	return &l.rest[0]
}

func (l *logger) line(s Streams, text *[]byte, now time.Time) {
	if l.ring != nil {
		l.ring.put(s, *text, now)
	} else {
		l.file.add(s, *text, now)
		l.journal.send(s, *text)
	}
	*text = (*text)[:0]
}

// appendEntry appends one log entry. The escapes are those of Docker's encoder (moby daemon/logger/jsonfilelog/jsonlog).
func appendEntry(b, text []byte, stream, attrs string, now time.Time) []byte {
	b = append(b, `{"log":"`...)
	b = appendEscaped(b, text)
	b = append(b, `","stream":"`...)
	b = append(b, stream...)
	b = append(b, `",`...)
	b = append(b, attrs...)
	b = append(b, `"time":"`...)
	b = now.UTC().AppendFormat(b, time.RFC3339Nano)
	return append(b, "\"}\n"...)
}

const hexDigits = "0123456789abcdef"

func appendEscaped(b, text []byte) []byte {
	for i := 0; i < len(text); {
		if c := text[i]; c < utf8.RuneSelf {
			b = appendByte(b, c)
			i++
			continue
		}
		r, n := utf8.DecodeRune(text[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			b = append(b, `\ufffd`...)
		case r == '\u2028' || r == '\u2029': // ends of lines to JavaScript
			b = append(b, `\u202`...)
			b = append(b, hexDigits[r&0xf])
		default:
			b = append(b, text[i:i+n]...)
		}
		i += n
	}
	return b
}

func appendByte(b []byte, c byte) []byte {
	switch c {
	case '\\', '"':
		return append(b, '\\', c)
	case '\n':
		return append(b, `\n`...)
	case '\r':
		return append(b, `\r`...)
	case '\t':
		return append(b, `\t`...)
	}
	if c < ' ' || c == '<' || c == '>' || c == '&' {
		return append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&0xf])
	}
	return append(b, c)
}

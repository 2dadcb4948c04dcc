package monitor

import (
	"os"
	"sync"
	"time"
	"unicode/utf8"
)

// maxLine is how much of a line is kept back until its end is seen. A longer one is logged in parts, as Docker does
// (moby daemon/logger/copier.go): a part has no newline at its end.
const maxLine = 16 << 10

// logger writes a container's log in the format of Docker's json-file driver, one object a line:
//
//	{"log":"text\n","stream":"stdout","time":"2006-01-02T15:04:05.999999999Z"}
//
// Nothing it does allocates once its buffers have grown, so that an idle monitor stays small.
type logger struct {
	path string

	mu     sync.Mutex
	file   *os.File // opened by the first line
	failed bool     // the file cannot be written: the container runs on without its log
	out    []byte
	rest   [2][]byte // the unfinished line of stdout and stderr
}

func newLogger(path string) *logger { return &logger{path: path} }

// output logs the whole lines of what a stream has written.
func (l *logger) output(s Streams, data []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	rest, now := l.unfinished(s), time.Now()
	l.out = l.out[:0]
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

// close logs what has no newline at its end, and closes the file.
func (l *logger) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.out = l.out[:0]
	for _, s := range []Streams{Stdout, Stderr} {
		if rest := l.unfinished(s); len(*rest) > 0 {
			l.line(s, rest, time.Now())
		}
	}
	l.flush()
	if l.file != nil {
		l.file.Close()
	}
}

func (l *logger) unfinished(s Streams) *[]byte {
	if s == Stderr {
		return &l.rest[1]
	}
	return &l.rest[0]
}

func (l *logger) line(s Streams, text *[]byte, now time.Time) {
	stream := "stdout"
	if s == Stderr {
		stream = "stderr"
	}
	l.out = appendEntry(l.out, *text, stream, now)
	*text = (*text)[:0]
}

func (l *logger) flush() {
	if len(l.out) == 0 || l.failed {
		return
	}
	if l.file == nil {
		f, err := os.OpenFile(l.path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o640)
		if err != nil {
			l.failed = true
			return
		}
		l.file = f
	}
	l.file.Write(l.out) // a full disk costs the log, not the container
}

// appendEntry appends one log entry. The escapes are those of Docker's encoder (moby daemon/logger/jsonfilelog/jsonlog).
func appendEntry(b, text []byte, stream string, now time.Time) []byte {
	b = append(b, `{"log":"`...)
	b = appendEscaped(b, text)
	b = append(b, `","stream":"`...)
	b = append(b, stream...)
	b = append(b, `","time":"`...)
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

// Package logfile reads a container's log, over all the files that it consists of, and follows it while it grows.
package logfile

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"
	"unicode/utf8"
)

// entry is one line of the log, as Docker's json-file driver writes it. Its fields are valid until the next one is read.
type entry struct {
	text   []byte
	stderr bool
	stamp  []byte // RFC 3339
	attrs  map[string]string
}

// stored is the same for encoding/json, for lines that another program has written.
type stored struct {
	Log    string            `json:"log"`
	Stream string            `json:"stream"`
	Attrs  map[string]string `json:"attrs"`
	Time   time.Time         `json:"time"`
}

var (
	head   = []byte(`{"log":"`)
	stdout = []byte(`","stream":"stdout",`)
	stderr = []byte(`","stream":"stderr",`)
	stamp  = []byte(`"time":"`)
	tail   = []byte("\"}\n")
)

// parse reads a line, with its newline. A log of a gigabyte is read in a second, so the lines that hoy writes are not left to a general decoder.
// It says no of half a line: the last one before a power cut, or one on a full disk.
func (e *entry) parse(line []byte) bool {
	if e.parsePlain(line) {
		return true
	}
	var s stored
	if json.Unmarshal(line, &s) != nil {
		return false
	}
	e.text, e.stderr, e.attrs = append(e.text[:0], s.Log...), s.Stream == "stderr", s.Attrs
	e.stamp = s.Time.AppendFormat(e.stamp[:0], time.RFC3339Nano)
	return true
}

// parsePlain reads a line of exactly the form that hoy's monitor writes, without attributes.
func (e *entry) parsePlain(line []byte) bool {
	const stampMin, stampMax = 20, 30 // 2006-01-02T15:04:05Z to 2006-01-02T15:04:05.999999999Z
	if !bytes.HasPrefix(line, head) || !bytes.HasSuffix(line, tail) {
		return false
	}
	line = line[len(head) : len(line)-len(tail)]
	at := bytes.LastIndexByte(line, '"') + 1
	if n := len(line) - at; n < stampMin || n > stampMax {
		return false
	}
	e.stamp = append(e.stamp[:0], line[at:]...)
	line = line[:at]
	if !bytes.HasSuffix(line, stamp) {
		return false
	}
	line = line[:len(line)-len(stamp)]
	switch {
	case bytes.HasSuffix(line, stdout):
		e.stderr = false
	case bytes.HasSuffix(line, stderr):
		e.stderr = true
	default:
		return false
	}
	e.attrs = nil
	return e.unescape(line[:len(line)-len(stdout)])
}

// unescape sets the text to a JSON string's content.
func (e *entry) unescape(in []byte) bool {
	e.text = e.text[:0]
	for {
		i := bytes.IndexByte(in, '\\')
		if i < 0 {
			e.text = append(e.text, in...)
			return bytes.IndexByte(in, '"') < 0
		}
		if i+1 >= len(in) || bytes.IndexByte(in[:i], '"') >= 0 {
			return false
		}
		e.text = append(e.text, in[:i]...)
		c := in[i+1]
		in = in[i+2:]
		switch c {
		case 'n':
			e.text = append(e.text, '\n')
		case 't':
			e.text = append(e.text, '\t')
		case 'r':
			e.text = append(e.text, '\r')
		case '"', '\\', '/':
			e.text = append(e.text, c)
		case 'u':
			if len(in) < 4 {
				return false
			}
			r, err := strconv.ParseUint(string(in[:4]), 16, 16)
			if err != nil || r >= 0xd800 && r < 0xe000 { // a pair of surrogates: not hoy's
				return false
			}
			e.text = utf8.AppendRune(e.text, rune(r))
			in = in[4:]
		default:
			return false
		}
	}
}

// time is when the line was written.
func (e *entry) time() time.Time {
	t, _ := time.Parse(time.RFC3339Nano, string(e.stamp)) // parse has seen that it is one, or it is of another form than any log's
	return t
}

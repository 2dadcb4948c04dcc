package logfile

import (
	"bufio"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Options select what Read writes.
type Options struct {
	Out, Err   io.Writer // nil: nothing of that stream
	Tail       int       // lines from the end; negative: all
	Since      time.Time
	Until      time.Time
	Timestamps bool
	Details    bool
	// More is called at the end of the log: it waits until there may be more and says whether there will be any. Nil: the log does not grow.
	More func() bool
}

// Read writes the log at path, with the older files that lie beside it, as the options say.
func Read(path string, o Options) error {
	list, err := segments(path, nil)
	if err != nil {
		return err
	}
	if list, err = last(list, o.Tail); err != nil {
		return err
	}
	w := newWriter(o)
	defer func() { closeAll(list) }()
	for {
		ended, err := w.copyAll(list, path)
		if err = errors.Join(err, w.flush()); err != nil || ended {
			return err
		}
		var newest *segment
		if n := len(list); n > 0 {
			newest = list[n-1]
		}
		// What was there is read to its end. The log goes on in another file.
		next, err := segments(path, newest)
		if err != nil {
			return err
		}
		closeAll(list)
		list = next
	}
}

// copyAll writes segments. Of the newest it waits for more, until there is none, which it says, or until the log goes on in another file.
func (w *writer) copyAll(list []*segment, path string) (ended bool, err error) {
	for i, s := range list {
		newest := i == len(list)-1
		if ended, err = w.copy(s, newest, path); ended || err != nil {
			return ended, err
		}
	}
	if len(list) > 0 {
		return false, nil
	}
	return w.ended(), nil
}

// writer writes the entries that the options select.
type writer struct {
	o        Options
	out, err *bufio.Writer // nil: nothing of that stream
	one      entry
	finished bool // More has said no
	line     []byte
}

func newWriter(o Options) *writer {
	w := &writer{o: o}
	if o.Out != nil {
		w.out = bufio.NewWriterSize(o.Out, 128<<10)
	}
	if o.Err != nil {
		w.err = bufio.NewWriterSize(o.Err, 128<<10)
	}
	return w
}

func (w *writer) flush() error {
	var err error
	for _, b := range []*bufio.Writer{w.out, w.err} {
		if b != nil {
			err = errors.Join(err, b.Flush())
		}
	}
	return err
}

// copy writes a segment up to its end, and says whether the log ends there.
func (w *writer) copy(s *segment, newest bool, path string) (ended bool, err error) {
	lines := bufio.NewReaderSize(s, 256<<10)
	w.line = w.line[:0]
	replaced := false
	for {
		part, err := lines.ReadSlice('\n')
		switch {
		case err == nil && len(w.line) == 0:
			if done, err := w.take(s, part); done || err != nil {
				return done, err
			}
		case err == nil:
			w.line = append(w.line, part...)
			done, err := w.take(s, w.line)
			if w.line = w.line[:0]; done || err != nil {
				return done, err
			}
		case errors.Is(err, bufio.ErrBufferFull):
			w.line = append(w.line, part...)
		case err != io.EOF:
			return false, err
		default:
			w.line = append(w.line, part...)
			if !newest || replaced {
				return false, nil
			}
			if err := w.flush(); err != nil {
				return false, err
			}
			if replaced = w.o.More != nil && s.moved(path); !replaced && w.ended() {
				return true, nil
			}
		}
	}
}

// ended waits for more, and says whether there is none. After the last word there is one more read: what was written before it may have come after ours.
func (w *writer) ended() bool {
	if w.o.More == nil || w.finished {
		return true
	}
	w.finished = !w.o.More()
	return false
}

// moved says whether the log goes on in another file.
func (s *segment) moved(path string) bool {
	var own, now unix.Stat_t
	return unix.Fstat(int(s.f.Fd()), &own) == nil && unix.Stat(path, &now) == nil && (s.gz != nil || own.Ino != now.Ino)
}

// take writes one line of the log, if it is wanted. It says when no later one can be.
func (w *writer) take(s *segment, line []byte) (done bool, err error) {
	if s.skip > 0 {
		s.skip--
		return false, nil
	}
	e := &w.one
	if !e.parse(line) {
		return false, nil
	}
	if !w.o.Until.IsZero() || !w.o.Since.IsZero() {
		at := e.time()
		if !w.o.Until.IsZero() && at.After(w.o.Until) {
			return true, nil
		}
		if at.Before(w.o.Since) {
			return false, nil
		}
	}
	to, other := w.out, w.err
	if e.stderr {
		to, other = w.err, w.out
	}
	if to == nil {
		return false, nil
	}
	if other != nil && other.Buffered() > 0 { // both may be one terminal: the order stays
		if err := other.Flush(); err != nil {
			return false, err
		}
	}
	if w.o.Timestamps {
		to.Write(padded(e.stamp))
		to.WriteByte(' ')
	}
	if w.o.Details {
		to.WriteString(details(e.attrs))
		to.WriteByte(' ')
	}
	_, err = to.Write(e.text)
	return false, err
}

// details are the attributes as `docker logs --details` writes them.
func details(attrs map[string]string) string {
	var list []string
	for _, key := range slices.Sorted(maps.Keys(attrs)) {
		list = append(list, key+"="+attrs[key])
	}
	return strings.Join(list, ",")
}

// padded is a time with all nine digits of its nanoseconds, as `docker logs -t` writes it. Entries have no zeros at their ends, and are in UTC.
func padded(stamp []byte) []byte {
	const whole, full = len("2006-01-02T15:04:05"), len("2006-01-02T15:04:05.000000000")
	if len(stamp) < whole+1 || stamp[len(stamp)-1] != 'Z' || len(stamp) > full+1 {
		return stamp
	}
	out := append(make([]byte, 0, full+1), stamp[:len(stamp)-1]...)
	if len(out) == whole {
		out = append(out, '.')
	}
	for len(out) < full {
		out = append(out, '0')
	}
	return append(out, 'Z')
}

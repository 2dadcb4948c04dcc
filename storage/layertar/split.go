package layertar

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"io"
	"path"
	"strconv"
	"strings"

	"github.com/vbatts/tar-split/tar/storage"
)

// splitter passes a tar on and records, as tar-split does, what is not a file's content: from that and the files the same tar
// can be made again, by containers/storage of any version.
type splitter struct {
	w     io.Writer
	split io.Writer // nil: nothing is recorded

	raw      []byte          // headers and padding that are not recorded yet
	crc      uint64          // of the content so far
	lines    []byte          // records that are not written yet
	position int             // of the next record
	marks    map[string]bool // the names that stand for what was deleted
}

const linesSize = 64 << 10

// Write takes headers and padding.
func (s *splitter) Write(p []byte) (int, error) {
	if s.split != nil {
		s.raw = append(s.raw, p...)
	}
	return s.w.Write(p)
}

// content takes what a file holds, or a part of it.
func (s *splitter) content(p []byte) error {
	if s.split != nil {
		s.crc = checksum(s.crc, p)
	}
	_, err := s.w.Write(p)
	return err
}

// begin is called after a file's header, and end after its content.
func (s *splitter) begin() error {
	s.crc = 0
	return s.segment()
}

func (s *splitter) end(name string, size int64) error {
	if s.split == nil {
		return nil
	}
	if err := s.mark(name); err != nil {
		return err
	}
	e := storage.Entry{Type: storage.FileType, Size: size}
	e.SetName(name)
	if size > 0 {
		e.Payload = binary.BigEndian.AppendUint64(nil, s.crc)
	}
	return s.record(&e)
}

// mark refuses an archive in which a file has the name that another one's deletion has: tar-split cannot make it again. No other names can be
// the same.
func (s *splitter) mark(name string) error {
	if !strings.HasPrefix(path.Base(name), whiteoutPrefix) {
		return nil
	}
	if s.marks[name] {
		return storage.ErrDuplicatePath
	}
	if s.marks == nil {
		s.marks = map[string]bool{}
	}
	s.marks[name] = true
	return nil
}

// segment records the headers and padding that came since the last time.
func (s *splitter) segment() error {
	if len(s.raw) == 0 {
		return nil
	}
	err := s.record(&storage.Entry{Type: storage.SegmentType, Payload: s.raw})
	s.raw = s.raw[:0]
	return err
}

// record adds a line of JSON.
func (s *splitter) record(e *storage.Entry) (err error) {
	e.Position = s.position
	s.position++
	if s.lines, err = appendEntry(s.lines, e); err != nil || len(s.lines) < linesSize {
		return err
	}
	return s.write()
}

func (s *splitter) write() error {
	_, err := s.split.Write(s.lines)
	s.lines = s.lines[:0]
	return err
}

// close records what is left.
func (s *splitter) close() error {
	if s.split == nil {
		return nil
	}
	if err := s.segment(); err != nil {
		return err
	}
	return s.write()
}

// appendEntry adds what encoding/json makes of an entry, much faster, and a line's end.
func appendEntry(b []byte, e *storage.Entry) ([]byte, error) {
	if len(e.NameRaw) > 0 || !unquoted(e.Name) {
		data, err := json.Marshal(e)
		return append(append(b, data...), '\n'), err
	}
	b = append(b, `{"type":`...)
	b = strconv.AppendInt(b, int64(e.Type), 10)
	if e.Name != "" {
		b = append(b, `,"name":"`...)
		b = append(b, e.Name...)
		b = append(b, '"')
	}
	if e.Size != 0 {
		b = append(b, `,"size":`...)
		b = strconv.AppendInt(b, e.Size, 10)
	}
	b = append(b, `,"payload":`...)
	if e.Payload == nil {
		b = append(b, "null"...)
	} else {
		b = append(b, '"')
		b = base64.StdEncoding.AppendEncode(b, e.Payload)
		b = append(b, '"')
	}
	b = append(b, `,"position":`...)
	b = strconv.AppendInt(b, int64(e.Position), 10)
	return append(b, "}\n"...), nil
}

// unquoted says whether a string stands for itself in JSON, as encoding/json writes it.
func unquoted(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&':
			return false
		}
	}
	return true
}

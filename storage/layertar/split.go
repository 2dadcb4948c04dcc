package layertar

import (
	"archive/tar"
	"hash/crc64"
	"io"

	"github.com/vbatts/tar-split/tar/storage"
)

// splitter passes a tar on and records, as tar-split does, what is not a file's content: from that and the files the same tar
// can be made again, by containers/storage of any version.
type splitter struct {
	w      io.Writer
	packer storage.Packer // nil: nothing is recorded

	raw     []byte // headers and padding that are not recorded yet
	content bool   // what comes is a file's content
	crc     uint64 // of that
}

// Write is that of io.Writer.
func (s *splitter) Write(p []byte) (int, error) {
	switch {
	case s.packer == nil:
	case s.content:
		s.crc = crc64.Update(s.crc, storage.CRCTable, p)
	default:
		s.raw = append(s.raw, p...)
	}
	return s.w.Write(p)
}

// begin is called after a file's header, and end after its content.
func (s *splitter) begin() error {
	s.content, s.crc = true, 0
	return s.flush()
}

func (s *splitter) end(hdr *tar.Header) error {
	s.content = false
	if s.packer == nil {
		return nil
	}
	entry := storage.Entry{Type: storage.FileType, Size: hdr.Size}
	entry.SetName(hdr.Name)
	if hdr.Size > 0 {
		for shift := 56; shift >= 0; shift -= 8 { // big endian, as hash.Hash64's Sum
			entry.Payload = append(entry.Payload, byte(s.crc>>shift))
		}
	}
	_, err := s.packer.AddEntry(entry)
	return err
}

// flush records the headers and padding that came since the last time.
func (s *splitter) flush() error {
	if s.packer == nil || len(s.raw) == 0 {
		return nil
	}
	_, err := s.packer.AddEntry(storage.Entry{Type: storage.SegmentType, Payload: s.raw})
	s.raw = s.raw[:0]
	return err
}

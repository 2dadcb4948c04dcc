package copier

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/bzip2"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// formats are the compressions that ADD unpacks, by how they begin.
var formats = []struct {
	magic string
	open  func(io.Reader) (io.Reader, error)
}{
	{"\x1f\x8b", func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) }},
	{"BZh", func(r io.Reader) (io.Reader, error) { return bzip2.NewReader(r), nil }},
	{"\xfd7zXZ\x00", func(r io.Reader) (io.Reader, error) { return xz.NewReader(r) }},
	{"\x28\xb5\x2f\xfd", func(r io.Reader) (io.Reader, error) {
		d, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(128<<20))
		if err != nil {
			return nil, err
		}
		return d.IOReadCloser(), nil
	}},
}

// Decompress gives what a stream holds: decompressed when it begins as gzip, bzip2, xz or zstd does, else as it is.
func Decompress(r io.Reader) (io.Reader, error) {
	b := bufio.NewReaderSize(r, 64<<10)
	head, err := b.Peek(8)
	if err != nil && err != io.EOF {
		return nil, err
	}
	for _, f := range formats {
		if bytes.HasPrefix(head, []byte(f.magic)) {
			return f.open(b)
		}
	}
	return b, nil
}

// IsCompressed says whether a stream begins as one that Decompress decompresses.
func IsCompressed(head []byte) bool {
	for _, f := range formats {
		if bytes.HasPrefix(head, []byte(f.magic)) {
			return true
		}
	}
	return false
}

// isTar says whether a stream is a tar, compressed or not, as Docker finds it out: by reading its first header.
func isTar(r io.Reader) bool {
	d, err := Decompress(r)
	if err != nil {
		return false
	}
	_, err = tar.NewReader(d).Next()
	return err == nil
}

// IsArchive says whether a selection is one regular file that is a tar, compressed or not: what ADD unpacks.
func (s *Selection) IsArchive() (bool, error) {
	if len(s.Entries) != 1 || !s.Entries[0].IsRegular() || s.Entries[0].inline {
		return false, nil
	}
	f, err := s.Tree.Open(&s.Entries[0].Node)
	if err != nil {
		return false, err
	}
	defer f.Close()
	return isTar(f), nil
}

// Open opens the file of a selection that is one regular file.
func (s *Selection) Open() (io.ReadCloser, error) { return s.Tree.Open(&s.Entries[0].Node) }

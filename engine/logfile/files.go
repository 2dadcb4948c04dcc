package logfile

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/klauspost/compress/gzip"
	"golang.org/x/sys/unix"
)

// segment is one file of a log.
type segment struct {
	f    *os.File
	gz   *gzip.Reader // nil: not compressed
	skip int          // lines before the first one that is wanted
}

// identity tells a file that is not written to any more from every other, and its compressed form by the same. The inode alone does not: with the
// file that was compressed it goes to another.
func identity(f *os.File) (string, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return "", err
	}
	return fmt.Sprint(st.Ino, st.Size, st.Mtim.Nano()), nil
}

// same says whether two open segments are one, under two names or forms.
func (s *segment) same(other *segment) bool {
	if s.gz == nil && other.gz == nil {
		var a, b unix.Stat_t
		return unix.Fstat(int(s.f.Fd()), &a) == nil && unix.Fstat(int(other.f.Fd()), &b) == nil && a.Ino == b.Ino
	}
	return s.id() == other.id()
}

func (s *segment) id() string {
	if s.gz != nil {
		return s.gz.Comment // another program's has none
	}
	id, _ := identity(s.f)
	return id
}

// Pack compresses an old file of a log: name becomes name.gz, whole or not at all. The identity of the file goes along.
func Pack(name string) error {
	from, err := os.Open(name)
	if err != nil {
		return err
	}
	defer from.Close()
	id, err := identity(from)
	if err != nil {
		return err
	}
	to, err := os.OpenFile(name+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o640)
	if err != nil {
		return err
	}
	defer os.Remove(to.Name())
	z := gzip.NewWriter(to)
	z.Comment = id
	_, err = io.Copy(z, from)
	if err = errors.Join(err, z.Close(), to.Close()); err != nil {
		return err
	}
	if err := os.Rename(to.Name(), name+".gz"); err != nil {
		return err
	}
	return os.Remove(name)
}

// open opens one file, compressed or not. os.ErrNotExist when it is not there.
func open(name string) (*segment, error) {
	f, err := os.Open(name)
	if err == nil {
		return &segment{f: f}, nil
	}
	if !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	if f, err = os.Open(name + ".gz"); err != nil {
		return nil, err
	}
	s := &segment{f: f}
	if s.gz, err = gzip.NewReader(bufio.NewReaderSize(f, 64<<10)); err != nil {
		f.Close()
		return nil, err
	}
	return s, nil
}

// segments opens the files of a log, the oldest first, down to until, which is left out; nil: all. The newest is opened
// first: a file that is moved meanwhile is met again under its next name, and known.
func segments(path string, until *segment) ([]*segment, error) {
	for try := 0; ; try++ {
		list, whole, err := listSegments(path, until)
		if err != nil || whole || try == maxTries {
			return list, err
		}
		closeAll(list)
	}
}

// maxTries is how often the files are listed again when they were being renamed.
const maxTries = 100

// listSegments is segments, where no file is missing between two others.
func listSegments(path string, until *segment) (list []*segment, whole bool, err error) {
	for n := 0; ; n++ {
		s, err := open(numbered(path, n))
		switch {
		case errors.Is(err, os.ErrNotExist) && n == 0: // between two files, or nothing was written yet
			continue
		case errors.Is(err, os.ErrNotExist):
			after, err := open(numbered(path, n+1))
			if err == nil {
				after.close()
			}
			return list, err != nil, nil
		case err != nil:
			closeAll(list)
			return nil, false, err
		case until != nil && s.same(until):
			s.close()
			return list, true, nil
		case len(list) > 0 && s.same(list[0]):
			s.close()
			continue
		}
		list = append([]*segment{s}, list...)
	}
}

// numbered is the name of the n-th file of a log; 0 is the newest.
func numbered(path string, n int) string {
	if n == 0 {
		return path
	}
	return path + "." + strconv.Itoa(n)
}

func closeAll(list []*segment) {
	for _, s := range list {
		s.close()
	}
}

func (s *segment) close() { s.f.Close() }

func (s *segment) Read(b []byte) (int, error) {
	if s.gz != nil {
		return s.gz.Read(b)
	}
	return s.f.Read(b)
}

// rewind makes the segment be read from its beginning.
func (s *segment) rewind() error {
	if _, err := s.f.Seek(0, io.SeekStart); err != nil || s.gz == nil {
		return err
	}
	return s.gz.Reset(bufio.NewReaderSize(s.f, 64<<10))
}

// last leaves the last n lines of the segments to be read, and closes those that have none of them. Negative: all.
func last(list []*segment, n int) ([]*segment, error) {
	if n < 0 {
		return list, nil
	}
	for i := len(list) - 1; i >= 0; i-- {
		have, err := list[i].tail(n)
		if err != nil {
			closeAll(list)
			return nil, err
		}
		if n -= have; n <= 0 {
			closeAll(list[:i])
			return list[i:], nil
		}
	}
	return list, nil
}

// tail goes to where the last n lines begin, or to the beginning, and says how many lines there are from there on.
func (s *segment) tail(n int) (int, error) {
	if s.gz == nil {
		return seekTail(s.f, n)
	}
	lines, err := countLines(s)
	if err != nil {
		return 0, err
	}
	s.skip = max(0, lines-n)
	return min(lines, n), s.rewind()
}

func countLines(r io.Reader) (int, error) {
	buf, lines := make([]byte, 64<<10), 0
	for {
		n, err := r.Read(buf)
		lines += bytes.Count(buf[:n], []byte{'\n'})
		if err == io.EOF {
			return lines, nil
		}
		if err != nil {
			return lines, err
		}
	}
}

// seekTail goes to where the last n lines of a file begin, and says how many there are.
func seekTail(f *os.File, n int) (int, error) {
	end, err := f.Seek(0, io.SeekEnd)
	if err != nil || n == 0 || end == 0 {
		return 0, err
	}
	buf, found := make([]byte, 32<<10), 1 // the last line, whether it has an end or not
	for at := end; at > 0; {
		part := buf[:min(at, int64(len(buf)))]
		at -= int64(len(part))
		if _, err := f.ReadAt(part, at); err != nil {
			return 0, err
		}
		for i := len(part) - 1; i >= 0; i-- {
			if part[i] != '\n' || at+int64(i) == end-1 { // the last line's own end
				continue
			}
			if found == n {
				_, err := f.Seek(at+int64(i)+1, io.SeekStart)
				return found, err
			}
			found++
		}
	}
	_, err = f.Seek(0, io.SeekStart)
	return found, err
}

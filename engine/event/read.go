package event

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"time"

	"golang.org/x/sys/unix"
)

// Reader reads the log, and goes on with what is written after it was opened.
type Reader struct {
	dir    string
	notify *os.File // inotify(7) on the directory
	files  []*file  // being read, the oldest first: who opened the log before it was moved may still write to it
	since  time.Time
}

// file is one file of the log.
type file struct {
	f     *os.File
	lines *bufio.Reader
	part  []byte // a line whose end is still to come
}

// Open begins to read the log of a root directory: all that is there from since on, or, where since is zero, what happens from now on.
func Open(root string, since time.Time) (*Reader, error) {
	r := &Reader{dir: path.Join(root, dirName), since: since}
	if err := os.MkdirAll(r.dir, 0o700); err != nil {
		return nil, err
	}
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("inotify: %w", err)
	}
	r.notify = os.NewFile(uintptr(fd), "inotify")
	if _, err := unix.InotifyAddWatch(fd, r.dir, unix.IN_MODIFY|unix.IN_CREATE); err != nil {
		r.Close()
		return nil, fmt.Errorf("watch %s: %w", r.dir, err)
	}
	names := []string{oldFile, logFile}
	if since.IsZero() {
		names = names[1:]
	}
	for _, name := range names {
		if err := r.add(name, since.IsZero()); err != nil {
			r.Close()
			return nil, err
		}
	}
	return r, nil
}

func (r *Reader) add(name string, atEnd bool) error {
	f, err := os.Open(path.Join(r.dir, name))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if atEnd {
		if _, err := f.Seek(0, io.SeekEnd); err != nil {
			f.Close()
			return err
		}
	}
	r.files = append(r.files, &file{f: f, lines: bufio.NewReaderSize(f, 64<<10)})
	return nil
}

// Close lets go of the log.
func (r *Reader) Close() {
	r.notify.Close()
	for _, f := range r.files {
		f.f.Close()
	}
}

// Next gives the events that are there and have not been given yet; none when there are no more now.
func (r *Reader) Next() ([]Event, error) {
	var list []Event
	for _, f := range r.files {
		got, err := f.read()
		if err != nil {
			return nil, err
		}
		list = append(list, got...)
	}
	if next, err := r.successor(); err != nil || next {
		if err != nil {
			return nil, err
		}
		more, err := r.files[len(r.files)-1].read()
		if err != nil {
			return nil, err
		}
		list = append(list, more...)
	}
	kept := list[:0]
	for _, e := range list {
		if !e.Time().Before(r.since) {
			kept = append(kept, e)
		}
	}
	return kept, nil
}

// successor opens the log where it is another file than the one read last, and keeps the last two.
func (r *Reader) successor() (bool, error) {
	if len(r.files) > 0 {
		var now, last unix.Stat_t
		if unix.Stat(path.Join(r.dir, logFile), &now) != nil || unix.Fstat(int(r.files[len(r.files)-1].f.Fd()), &last) != nil || now.Ino == last.Ino {
			return false, nil
		}
	}
	before := len(r.files)
	if err := r.add(logFile, false); err != nil || len(r.files) == before {
		return false, err
	}
	if len(r.files) > 2 {
		r.files[0].f.Close()
		r.files = r.files[1:]
	}
	return true, nil
}

// Wait waits until something may have been written. It costs nothing meanwhile.
func (r *Reader) Wait(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { r.notify.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	_, err := r.notify.Read(make([]byte, 4<<10))
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// read gives the events up to the end of the file as it is now.
func (f *file) read() ([]Event, error) {
	var list []Event
	for {
		line, err := f.lines.ReadBytes('\n')
		f.part = append(f.part, line...)
		if err == io.EOF {
			return list, nil
		}
		if err != nil {
			return list, err
		}
		if e, ok := decode(f.part); ok {
			list = append(list, e)
		}
		f.part = f.part[:0]
	}
}

// decode reads a line. After half of one, which a full disk leaves, the next one begins in it.
func decode(line []byte) (Event, bool) {
	var e Event
	if json.Unmarshal(line, &e) == nil {
		return e, true
	}
	if i := bytes.LastIndex(line, []byte(`{"type":"`)); i > 0 {
		return e, json.Unmarshal(line[i:], &e) == nil
	}
	return e, false
}

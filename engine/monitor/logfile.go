package monitor

import (
	"errors"
	"io"
	"os"
	"strconv"
	"syscall"
	"time"
)

// Log says where what a container writes is kept; the zero value: nowhere.
type Log struct {
	Files    int    `json:"files,omitempty"`    // how many files are kept: LogFile, LogFile.1 and so on; 0: none
	MaxSize  int64  `json:"maxSize,omitempty"`  // bytes after which another file begins; 0: never
	Compress bool   `json:"compress,omitempty"` // all but the first are compressed: LogFile.1.gz
	Attrs    string `json:"attrs,omitempty"`    // of every entry, in JSON: `"attrs":{…},`
	Journal  []byte `json:"journal,omitempty"`  // the fields of every message to the system's journal; none: nothing goes there
	Buffer   int64  `json:"buffer,omitempty"`   // how many bytes may wait for a slow log before lines are lost; 0: the container waits
	// Passthrough: the container gets the descriptors 0, 1 and 2 of the command that starts it.
	Passthrough bool `json:"passthrough,omitempty"`
}

// Kept says whether anything is kept, so that hoy has to read what the container writes.
func (o *Log) Kept() bool { return o.Files > 0 || len(o.Journal) > 0 }

// lostFile holds, in the run directory, how many lines of the log could not be written.
const lostFile = "log.lost"

// LostLines says how many lines of a running container's log could not be written.
func LostLines(p Place) int {
	data, err := os.ReadFile(p.RunFile(lostFile))
	if err != nil {
		return 0
	}
	n, _ := strconv.Atoi(string(data))
	return n
}

// logFile is a container's log in the format of Docker's json-file driver, one object a line:
//
//	{"log":"text\n","stream":"stdout","time":"2006-01-02T15:04:05.999999999Z"}
//
// A full disk costs the log, not the container: what cannot be written is lost, and counted. A nil one takes everything and keeps nothing.
type logFile struct {
	path     string
	o        *Log
	lostPath string

	file    *os.File // opened by the first line
	size    int64
	out     []byte // entries that are not written yet
	lines   int    // in out
	lost    int
	packing *os.Process // compresses LogFile.1
}

// add takes a line. It is written when the file is full with it, or by flush.
func (l *logFile) add(s Streams, text []byte, now time.Time) {
	if l == nil {
		return
	}
	stream := "stdout"
	if s == Stderr {
		stream = "stderr"
	}
	l.out = appendEntry(l.out, text, stream, l.o.Attrs, now)
	l.lines++
	if l.o.MaxSize > 0 && l.size+int64(len(l.out)) >= l.o.MaxSize {
		l.flush()
	}
}

// flush writes what was added.
func (l *logFile) flush() {
	if l == nil || len(l.out) == 0 {
		return
	}
	if err := l.write(); err != nil {
		l.lose(l.lines)
	}
	l.out, l.lines = l.out[:0], 0
}

func (l *logFile) write() error {
	if err := l.open(); err != nil {
		return err
	}
	n, err := l.file.Write(l.out)
	if err != nil && n > 0 { // half of a line would spoil the next one, too
		if l.file.Truncate(l.size) == nil {
			n = 0
		}
	}
	l.size += int64(n)
	return err
}

// open opens the file, or a new one when it is full.
func (l *logFile) open() error {
	if l.file != nil && l.o.MaxSize > 0 && l.size >= l.o.MaxSize {
		l.rotate()
	}
	if l.file != nil {
		return nil
	}
	f, err := os.OpenFile(l.path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o640)
	if err != nil {
		return err
	}
	l.size, err = f.Seek(0, io.SeekEnd)
	l.file = f
	if err == nil && l.o.MaxSize > 0 && l.size >= l.o.MaxSize { // an earlier run filled it
		l.rotate()
		return l.open()
	}
	return err
}

// rotate makes the file the first of the old ones, and drops the last of these. Source: moby, daemon/logger/loggerutils/logfile.go.
func (l *logFile) rotate() {
	l.file.Close()
	l.file, l.size = nil, 0
	l.packed()
	if l.o.Files < 2 {
		os.Remove(l.path) // a reader that has it open reads on to its end
		return
	}
	for n := l.o.Files - 1; n > 0; n-- {
		for _, suffix := range []string{"", ".gz"} {
			from := l.path + "." + strconv.Itoa(n-1) + suffix
			if n == 1 {
				from = l.path
			}
			err := os.Rename(from, l.path+"."+strconv.Itoa(n)+suffix)
			if err == nil && suffix == "" {
				os.Remove(l.path + "." + strconv.Itoa(n) + ".gz") // of a run with other options
			}
			if n == 1 {
				break
			}
		}
	}
	if l.o.Compress {
		l.pack(l.path + ".1")
	}
}

// PackRole is the name by which a monitor starts the program to compress an old log file: argv[0]. The argument is the file.
const PackRole = "hoy-pack"

// pack starts to compress a file. A library that does it would stay in the memory of every monitor.
func (l *logFile) pack(name string) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return
	}
	defer null.Close()
	l.packing, _ = os.StartProcess("/proc/self/exe", []string{PackRole, name}, &os.ProcAttr{
		Dir: "/", Env: environment(), Files: []*os.File{null, null, null}, Sys: &syscall.SysProcAttr{Setsid: true},
	})
}

// packed waits until the last file is compressed: with the next rename it would have another name.
func (l *logFile) packed() {
	if l.packing != nil {
		l.packing.Wait()
		l.packing = nil
	}
}

// lose counts lines that were not written. The count is in the run directory, which is mostly in memory.
func (l *logFile) lose(lines int) {
	if l == nil || lines == 0 {
		return
	}
	l.lost += lines
	writeNew(l.lostPath, strconv.AppendInt(nil, int64(l.lost), 10), 0o600, Fleeting)
}

func (l *logFile) close() {
	if l == nil {
		return
	}
	l.packed()
	if l.file != nil {
		l.file.Close()
		l.file = nil
	}
}

// errNoJournal is Docker's.
var errNoJournal = errors.New("journald is not enabled on this host")

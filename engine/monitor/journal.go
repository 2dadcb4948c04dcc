package monitor

import (
	"encoding/binary"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// The system's journal takes a message in one datagram: fields, one a line, NAME=value; a value with a newline in it is written as NAME, newline, its
// length in eight bytes, the value, newline. Source: systemd, docs/JOURNAL_NATIVE_PROTOCOL.md.

// journalSocket is where it listens; HOY_JOURNAL_SOCKET names another place, for tests and for journals elsewhere.
func journalSocket() string {
	if name := os.Getenv("HOY_JOURNAL_SOCKET"); name != "" {
		return name
	}
	return "/run/systemd/journal/socket"
}

// CheckJournal says whether there is a journal to write to.
func CheckJournal() error {
	var st unix.Stat_t
	if unix.Stat(journalSocket(), &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFSOCK {
		return fmt.Errorf("failed to initialize logging driver: %w", errNoJournal)
	}
	return nil
}

// AppendField appends one field of a message to the journal.
func AppendField(b []byte, name string, value []byte) []byte {
	b = append(b, name...)
	for _, c := range value {
		if c == '\n' {
			b = append(b, '\n')
			b = binary.LittleEndian.AppendUint64(b, uint64(len(value)))
			b = append(b, value...)
			return append(b, '\n')
		}
	}
	b = append(b, '=')
	b = append(b, value...)
	return append(b, '\n')
}

// journal sends lines to the system's journal. A nil one sends nothing. What it does not take is lost, as in Docker.
type journal struct {
	fields []byte // of every message

	fd  int // 0: not open yet
	to  unix.Sockaddr
	dir *os.File // keeps to valid
	out []byte
}

func (j *journal) send(s Streams, text []byte) {
	if j == nil || j.open() != nil {
		return
	}
	priority := "6" // informational
	if s == Stderr {
		priority = "3" // error
	}
	whole := len(text) > 0 && text[len(text)-1] == '\n'
	if whole {
		text = text[:len(text)-1]
	}
	if len(text) == 0 { // the journal takes no empty message
		return
	}
	j.out = append(j.out[:0], j.fields...)
	j.out = AppendField(j.out, "PRIORITY", []byte(priority))
	if !whole {
		j.out = AppendField(j.out, "CONTAINER_PARTIAL_MESSAGE", []byte("true"))
	}
	j.out = AppendField(j.out, "MESSAGE", text)
	unix.Sendto(j.fd, j.out, unix.MSG_NOSIGNAL, j.to)
}

func (j *journal) open() error {
	if j.fd != 0 {
		return nil
	}
	to, dir, err := socketAddress(journalSocket())
	if err != nil {
		return err
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	// One that hangs does not hang the container for ever.
	unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &unix.Timeval{Sec: 1})
	j.fd, j.to, j.dir = fd, to, dir
	return nil
}

func (j *journal) close() {
	if j == nil || j.fd == 0 {
		return
	}
	unix.Close(j.fd)
	j.fd = 0
	if j.dir != nil {
		j.dir.Close()
	}
}

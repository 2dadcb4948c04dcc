// Package wire is the conversation between a parent and the child that it started to become a container's process.
//
// Both ends hold one stream socket. Every message is a kind, a length and that many bytes.
//
//	parent (oci/runtime)                 child (oci/child, oci/nsenter)
//	  | ---- Plan, and the root ----------> |
//	  | <--- Console: a descriptor -------- |  only with a terminal: the pseudo-terminal's master
//	  | <--- Hooks: nothing --------------- |  only with hooks: the container is mounted
//	  | ---- Go: the state ---------------> |  … and the parent's own hooks have run
//	  | <--- Ready: nothing --------------- |  the container is complete
//	  | ---- Leave: nothing --------------> |  only where another process starts the container: it is recorded,
//	  |                                     |  and who connects next is the parent
//	  | ---- Go: the state, for hooks ----> |
//	  | <--- (end of file) ---------------- |  execve closed the socket
//
// A filter that notifies somebody of calls (seccomp_unotify(2)) has
//
//	| <--- Notify: a descriptor --------- |  the filter's listener, as soon as there is the filter
//
// The child of an exec sends Pids in place of Ready, and does not wait. At any time before the end of file the child may send
//
//	| <--- Failed: a StepError ---------- |  and exit
//
// A child that finds the socket closed has no parent any more, and exits.
package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"golang.org/x/sys/unix"
)

// Kind is what a message says.
type Kind byte

// The kinds of messages.
const (
	Plan    Kind = 'P'
	Source  Kind = 'S'
	Console Kind = 'C'
	Ready   Kind = 'R'
	Go      Kind = 'G'
	Hooks   Kind = 'H'
	Leave   Kind = 'L'
	Pids    Kind = 'I'
	Notify  Kind = 'N'
	Failed  Kind = 'F'
)

// ErrTooLong is a message longer than any honest peer sends.
var ErrTooLong = errors.New("message too long")

const (
	header = 5
	// maxLen bounds what a peer can make us allocate (CVE-2021-43784 was an unchecked length here). An environment of 128 strings of
	// 128 KiB, the kernel's own limit for one, fits.
	maxLen = 64 << 20
)

// Conn is one end of the conversation.
type Conn struct {
	FD int
}

// Pair gives two connected ends, closed on exec.
func Pair() (parent, child Conn, err error) {
	p, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return Conn{-1}, Conn{-1}, fmt.Errorf("socketpair: %w", err)
	}
	return Conn{p[0]}, Conn{p[1]}, nil
}

// Close closes this end.
func (c Conn) Close() { unix.Close(c.FD) }

// Send sends a message.
func (c Conn) Send(k Kind, payload []byte) error { return c.send(k, payload, nil) }

// SendFD sends a message with a copy of the descriptor fd.
func (c Conn) SendFD(k Kind, payload []byte, fd int) error {
	return c.send(k, payload, unix.UnixRights(fd))
}

func (c Conn) send(k Kind, payload, rights []byte) error {
	buf := make([]byte, header, header+len(payload))
	buf[0] = byte(k)
	binary.LittleEndian.PutUint32(buf[1:], uint32(len(payload)))
	buf = append(buf, payload...)
	for len(buf) > 0 {
		n, err := unix.SendmsgN(c.FD, buf, rights, nil, unix.MSG_NOSIGNAL)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return fmt.Errorf("send: %w", err)
		}
		buf, rights = buf[n:], nil
	}
	return nil
}

// Bare is a message that holds nothing, for who sends it by itself.
func Bare(k Kind) []byte { return append(make([]byte, 0, header), byte(k), 0, 0, 0, 0) }

// Recv receives a message. fd is the descriptor that came with it, closed on exec, or -1. The error is io.EOF when the other end is closed.
func (c Conn) Recv() (k Kind, payload []byte, fd int, err error) {
	fd = -1
	var head [header]byte
	if fd, err = c.recvHead(head[:]); err != nil {
		return 0, nil, fd, err
	}
	n := binary.LittleEndian.Uint32(head[1:])
	if n > maxLen {
		return 0, nil, fd, ErrTooLong
	}
	payload = make([]byte, n)
	if err := c.readFull(payload); err != nil {
		return 0, nil, fd, err
	}
	return Kind(head[0]), payload, fd, nil
}

// recvHead reads a header and the descriptor that may come with its first byte.
func (c Conn) recvHead(head []byte) (fd int, err error) {
	oob := make([]byte, unix.CmsgSpace(4))
	for {
		n, oobn, _, _, err := unix.Recvmsg(c.FD, head, oob, unix.MSG_CMSG_CLOEXEC)
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.ECONNRESET:
			return -1, io.EOF
		case err != nil:
			return -1, fmt.Errorf("receive: %w", err)
		case n == 0:
			return -1, io.EOF
		}
		fd = rights(oob[:oobn])
		return fd, c.readFull(head[n:])
	}
}

// rights gives the first descriptor in a control message, or -1, and closes any other.
func rights(oob []byte) int {
	fd := -1
	msgs, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return fd
	}
	for _, m := range msgs {
		fds, err := unix.ParseUnixRights(&m)
		if err != nil {
			continue
		}
		for _, f := range fds {
			if fd == -1 {
				fd = f
			} else {
				unix.Close(f)
			}
		}
	}
	return fd
}

func (c Conn) readFull(buf []byte) error {
	for len(buf) > 0 {
		n, err := unix.Read(c.FD, buf)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return fmt.Errorf("receive: %w", err)
		case n == 0:
			return io.ErrUnexpectedEOF
		}
		buf = buf[n:]
	}
	return nil
}

package monitor

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"syscall"

	"golang.org/x/sys/unix"
)

// Raw sockets instead of package net: its resolver and interfaces would be in the memory of every monitor.

const seqpacket = unix.SOCK_SEQPACKET | unix.SOCK_CLOEXEC | unix.SOCK_NONBLOCK

// socketAddress gives an address for name that fits in the 108 bytes of sockaddr_un. The file it returns, which may be nil, must stay
// open while the address is used.
func socketAddress(name string) (*unix.SockaddrUnix, *os.File, error) {
	if len(name) < 108 {
		return &unix.SockaddrUnix{Name: name}, nil, nil
	}
	fd, err := unix.Open(path.Dir(name), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("open %s: %w", path.Dir(name), err)
	}
	dir := os.NewFile(uintptr(fd), path.Dir(name))
	return &unix.SockaddrUnix{Name: fmt.Sprintf("/proc/self/fd/%d/%s", fd, path.Base(name))}, dir, nil
}

// listen makes the attach socket, in place of one that a killed monitor left. Only the owner may connect.
func listen(path string) (*os.File, error) {
	unix.Unlink(path)
	address, dir, err := socketAddress(path)
	if err != nil {
		return nil, err
	}
	if dir != nil {
		defer dir.Close()
	}
	fd, err := unix.Socket(unix.AF_UNIX, seqpacket, 0)
	if err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	unix.Fchmod(fd, 0o600) // bind(2) gives the file the socket's mode, less the umask
	if err := errors.Join(unix.Bind(fd, address), unix.Listen(fd, 64)); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("listen on %s: %w", path, err)
	}
	return os.NewFile(uintptr(fd), path), nil
}

// accept waits for a connection. It fails when the listener is closed.
func accept(listener *os.File) (*os.File, error) {
	raw, err := listener.SyscallConn()
	if err != nil {
		return nil, err
	}
	var fd int
	var failed error
	err = raw.Read(func(l uintptr) bool {
		fd, _, failed = unix.Accept4(int(l), unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK)
		return failed != unix.EAGAIN
	})
	if err = errors.Join(err, failed); err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), "attached"), nil
}

// dial connects to the attach socket.
func dial(path string) (*os.File, error) {
	address, dir, err := socketAddress(path)
	if err != nil {
		return nil, err
	}
	if dir != nil {
		defer dir.Close()
	}
	// Blocking while it connects: a full backlog is waited for.
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	if err := unix.Connect(fd, address); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("connect to %s: %w", path, err)
	}
	unix.SetNonblock(fd, true)
	return os.NewFile(uintptr(fd), path), nil
}

// pair gives two connected sockets: ours, and one to inherit.
func pair() (ours, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, seqpacket, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("socketpair: %w", err)
	}
	return os.NewFile(uintptr(fds[0]), "monitor"), os.NewFile(uintptr(fds[1]), "client"), nil
}

// receive reads a frame; 0 bytes at the end. What was sent before the other end closed is read to the last frame: when that end had left something
// unread the kernel says so first, once, with ECONNRESET (unix_release_sock, sock_error), and gives the frames to those who ask again.
func receive(conn *os.File, buf []byte) (int, error) {
	n, err := conn.Read(buf)
	if errors.Is(err, syscall.ECONNRESET) {
		n, err = conn.Read(buf)
	}
	if err == io.EOF {
		return 0, nil
	}
	return n, err
}

// endWriting tells the other end that nothing more comes. What it sends can still be read.
func endWriting(conn *os.File) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return
	}
	raw.Control(func(fd uintptr) { unix.Shutdown(int(fd), unix.SHUT_WR) })
}

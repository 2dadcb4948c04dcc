package bundle

import (
	"errors"
	"fmt"
	"os"
	"path"
	"strconv"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// waitingRoom makes what the process of a created container waits with.
func waitingRoom(dir string) (listener, mark *os.File, err error) {
	if mark, err = newMark(dir); err != nil {
		return nil, nil, err
	}
	listener, err = unixSocket(path.Join(dir, socketFile), func(fd int, at *unix.SockaddrUnix) error {
		if err := unix.Bind(fd, at); err != nil {
			return err
		}
		return unix.Listen(fd, 1)
	})
	if err != nil {
		mark.Close()
	}
	return listener, mark, err
}

// dial connects to a Unix socket.
func dial(file string) (*os.File, error) {
	return unixSocket(file, func(fd int, at *unix.SockaddrUnix) error { return unix.Connect(fd, at) })
}

// unixSocket makes a socket and names it. A name has 108 bytes; the directory goes by its descriptor, so that any path fits.
func unixSocket(file string, use func(fd int, at *unix.SockaddrUnix) error) (*os.File, error) {
	dir, err := unix.Open(path.Dir(file), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path.Dir(file), err)
	}
	defer unix.Close(dir)
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	at := &unix.SockaddrUnix{Name: "/proc/self/fd/" + strconv.Itoa(dir) + "/" + path.Base(file)}
	if err := use(fd, at); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return os.NewFile(uintptr(fd), file), nil
}

// sendFD sends a descriptor to who listens at a socket, with its name as the message (runc, docs/terminals.md).
func sendFD(socket string, f *os.File) error {
	if f == nil {
		return errors.New("there is nothing to send")
	}
	conn, err := dial(socket)
	if err != nil {
		return err
	}
	defer conn.Close()
	return send(conn, []byte(f.Name()), f)
}

func send(conn *os.File, message []byte, f *os.File) error {
	return unix.Sendmsg(int(conn.Fd()), message, unix.UnixRights(int(f.Fd())), nil, unix.MSG_NOSIGNAL)
}

// checkConsole refuses a terminal that nobody takes, and a socket for none. The messages are runc's.
func (r *Runtime) checkConsole(s *specs.Spec, o *CreateOptions) error {
	terminal := s.Process != nil && s.Process.Terminal
	switch {
	case terminal && o.ConsoleSocket == "" && !o.attached:
		return errors.New("cannot allocate tty if runc will detach without setting console socket")
	case !terminal && o.ConsoleSocket != "":
		return errors.New("cannot use console socket if runc will not detach or allocate tty")
	}
	return nil
}

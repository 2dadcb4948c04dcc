package harness

import (
	"errors"
	"net"
	"os"
	"unsafe"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// The part of linux/seccomp.h that golang.org/x/sys/unix has not.
type seccompNotif struct {
	id    uint64
	pid   uint32
	flags uint32
	nr    int32
	arch  uint32
	ip    uint64
	args  [6]uint64
}

type seccompNotifResp struct {
	id    uint64
	val   int64
	error int32
	flags uint32
}

const (
	notifRecv    = 0xc0502100
	notifSend    = 0xc0182101
	flagContinue = 1
)

// agentCmd is `agent SOCKET FILE`: whoever is notified of system calls by the OCI runtime. For each container it appends the message that comes with the filter's listener to FILE. It answers every
// mkdir with EXDEV, and lets all other calls go on.
func agentCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: agent SOCKET FILE")
	}
	file := ts.MkAbs(args[1])
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: ts.MkAbs(args[0]), Net: "unix"})
	ts.Check(err)
	ts.Defer(func() { l.Close() })
	go func() {
		for {
			c, err := l.AcceptUnix()
			if err != nil {
				return
			}
			go agent(c, file)
		}
	}()
}

func agent(c *net.UnixConn, file string) {
	defer c.Close()
	buf, oob := make([]byte, 64<<10), make([]byte, unix.CmsgSpace(4))
	n, oobn, _, _, err := c.ReadMsgUnix(buf, oob)
	if err != nil || n == 0 {
		return
	}
	messages, err := unix.ParseSocketControlMessage(oob[:oobn])
	if err != nil || len(messages) != 1 {
		return
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		return
	}
	defer unix.Close(fds[0])
	f, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return
	}
	f.Write(append(buf[:n], '\n'))
	f.Close()
	for {
		var ask seccompNotif
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fds[0]), notifRecv, uintptr(unsafe.Pointer(&ask)))
		if errno == unix.ENOENT || errno == unix.EINTR {
			if gone(fds[0]) {
				return
			}
			continue
		}
		if errno != 0 {
			return
		}
		answer := seccompNotifResp{id: ask.id, flags: flagContinue}
		if ask.nr == unix.SYS_MKDIRAT || ask.nr == sysMkdir {
			answer.flags, answer.error = 0, -int32(unix.EXDEV)
		}
		_, _, errno = unix.Syscall(unix.SYS_IOCTL, uintptr(fds[0]), notifSend, uintptr(unsafe.Pointer(&answer)))
		if errno != 0 && !errors.Is(errno, unix.ENOENT) {
			return
		}
	}
}

// sysMkdir is x86-64's; other machines have mkdirat alone.
const sysMkdir = 83

// gone says whether the filter's last process has ended.
func gone(fd int) bool {
	poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	_, err := unix.Poll(poll, 0)
	return err == nil && poll[0].Revents&unix.POLLHUP != 0
}

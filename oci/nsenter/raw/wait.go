package raw

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// System calls of which the Go scheduler does not know. Nothing else of the process runs meanwhile where GOMAXPROCS is 1, but neither does the
// runtime's watchdog, which looks every 20 µs for threads that stay in a call, takes their processor away and gives it back. They are for who waits
// some milliseconds at most, or not at all, in a process that has nothing else to do. The slices are not empty.

// EpollWait is epoll_wait(2).
func EpollWait(epoll int, events []unix.EpollEvent, milliseconds int) (int, error) {
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(epoll), uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), uintptr(milliseconds), 0, 0)
	return result(n, errno)
}

// Receive is recv(2) without waiting.
func Receive(fd int, b []byte) (int, error) {
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), unix.MSG_DONTWAIT, 0, 0)
	return result(n, errno)
}

// Send is send(2) without waiting and without SIGPIPE.
func Send(fd int, b []byte) (int, error) {
	n, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
	return result(n, errno)
}

func result(n uintptr, errno unix.Errno) (int, error) {
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

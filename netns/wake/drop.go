package wake

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// Drop closes a file that the kernel takes long to close, and does not wait for it: who closes a packet socket waits until no processor looks at it
// any more, some 10 ms.
//
// The file is sent to a socket that then nobody has but its own queue. The kernel finds such sockets, and closes what is in their queues (unix_gc in
// net/unix/garbage.c): since Linux 6.9 in a thread of its own, before that in the call that closes.
func Drop(f *os.File) error {
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return f.Close()
	}
	unix.Sendmsg(ends[0], []byte{0}, unix.UnixRights(ends[1], int(f.Fd())), nil, 0) // where that fails it is closed here
	return errors.Join(f.Close(), unix.Close(ends[1]), unix.Close(ends[0]))
}

package monitor

import (
	"os"

	"golang.org/x/sys/unix"
)

// setSize tells a terminal its size; the kernel sends SIGWINCH to the processes in front of it.
func setSize(console *os.File, z Size) {
	raw, err := console.SyscallConn()
	if err != nil {
		return
	}
	raw.Control(func(fd uintptr) {
		unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, &unix.Winsize{Row: z.Rows, Col: z.Cols})
	})
}

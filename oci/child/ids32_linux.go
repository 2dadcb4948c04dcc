//go:build 386 || arm

package child

import "golang.org/x/sys/unix"

// The calls that take 32-bit ids.
const (
	sysSetgroups = unix.SYS_SETGROUPS32
	sysSetresgid = unix.SYS_SETRESGID32
	sysSetresuid = unix.SYS_SETRESUID32
)

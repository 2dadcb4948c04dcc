package raw

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// sharedFlags make a child that has its parent's memory until it executes a program, and a parent that waits for that.
const sharedFlags = unix.CLONE_VM | unix.CLONE_VFORK

// clone makes the system call nr, a clone of any kind.
//
//go:noescape
func clone(nr, a1, a2 uintptr) (pid uintptr, errno syscall.Errno)

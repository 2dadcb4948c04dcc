package rootless

import (
	"os"
	"os/signal"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// own are the signals that are not passed on: the Go runtime's, the children's, those for faults of this process, and a terminal's
// that stop and resume both halves alike.
var own = []syscall.Signal{
	syscall.SIGURG, syscall.SIGCHLD, syscall.SIGSEGV, syscall.SIGBUS, syscall.SIGFPE, syscall.SIGILL, syscall.SIGTRAP, syscall.SIGSYS,
	syscall.SIGPROF, syscall.SIGPIPE, syscall.SIGKILL, syscall.SIGSTOP, syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGTTOU, syscall.SIGCONT, syscall.SIGWINCH,
}

// catch starts to collect the signals that somebody may send to this process and means for the inner half.
func catch() chan os.Signal {
	signals := make(chan os.Signal, 64)
	const last = 64
	for sig := syscall.Signal(1); sig <= last; sig++ {
		if !slices.Contains(own, sig) && !signal.Ignored(sig) {
			signal.Notify(signals, sig)
		}
	}
	return signals
}

// ending gives the signal, already caught, that was meant to end this program; 0 when there is none.
func ending(signals <-chan os.Signal) syscall.Signal {
	for {
		select {
		case s := <-signals:
			switch s {
			case syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM:
				return s.(syscall.Signal)
			}
		default:
			return 0
		}
	}
}

// forward passes caught signals on for as long as this process lives.
func forward(signals <-chan os.Signal, pid int) {
	go func() {
		for s := range signals {
			if sig := s.(syscall.Signal); !fromTerminal(sig) {
				_ = syscall.Kill(pid, sig)
			}
		}
	}()
}

// fromTerminal says whether the inner half has got the signal already: a terminal's interrupt and quit keys signal the whole foreground
// process group, which both halves are in. (A `kill -INT` from elsewhere while the group is in the foreground cannot be told apart.)
func fromTerminal(s syscall.Signal) bool {
	if s != syscall.SIGINT && s != syscall.SIGQUIT {
		return false
	}
	tty, err := os.OpenFile("/dev/tty", os.O_RDONLY|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer tty.Close()
	foreground, err := unix.IoctlGetInt(int(tty.Fd()), unix.TIOCGPGRP)
	return err == nil && foreground == unix.Getpgrp()
}

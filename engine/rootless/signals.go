package rootless

import (
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// catch starts to collect the signals that somebody may send to this process and means for the inner half.
func catch() chan os.Signal {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGALRM)
	return signals
}

// forward passes caught signals on until the returned function is called, which waits for the end of it.
func forward(signals chan os.Signal, to *os.Process) (stop func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		for s := range signals {
			if !fromTerminal(s) {
				to.Signal(s)
			}
		}
	}()
	return func() {
		signal.Stop(signals)
		close(signals)
		<-done
	}
}

// fromTerminal says whether the inner half has got the signal already: a terminal's interrupt and quit keys signal the whole foreground
// process group, which both halves are in. (A `kill -INT` from elsewhere while the group is in the foreground cannot be told apart.)
func fromTerminal(s os.Signal) bool {
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

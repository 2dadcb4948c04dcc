package cli

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"codeberg.org/hoy/hoy/engine"
	"codeberg.org/hoy/hoy/engine/cli/flags"
	"codeberg.org/hoy/hoy/engine/rootless"
)

// preserveFlag is --preserve-fds of `run` and `exec`.
func preserveFlag(count *int) *flags.Flag {
	return flags.Int(count, "preserve-fds", "Pass a number of additional file descriptors into the container")
}

// keptFiles are this process's descriptors 3 … 3+count-1, which its caller must have opened: what hoy itself opened there is closed on exec.
func keptFiles(count int) ([]*os.File, error) {
	if count < 0 || count > 1024 {
		return nil, fmt.Errorf("invalid number of file descriptors: %d", count)
	}
	var files []*os.File
	for fd := 3; fd < 3+count; fd++ {
		own, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		if err != nil || own&unix.FD_CLOEXEC != 0 {
			return nil, fmt.Errorf("file descriptor %d is not available - the preserve-fds option requires that file descriptors must be passed", fd)
		}
		files = append(files, os.NewFile(uintptr(fd), "fd "+strconv.Itoa(fd)))
	}
	return files, nil
}

// inherit takes what the caller of hoy opened for the container: the sockets of a unit that systemd activates (sd_listen_fds(3)), then as many
// descriptors as --preserve-fds says.
func inherit(o *engine.StartOptions, init bool, preserve int) error {
	sockets := 0
	if pid := os.Getenv("LISTEN_PID"); pid == strconv.Itoa(os.Getpid()) || rootless.InUserns() && pid == strconv.Itoa(os.Getppid()) {
		n, err := strconv.Atoi(os.Getenv("LISTEN_FDS"))
		if err != nil || n < 0 {
			return fmt.Errorf("LISTEN_FDS is no number of sockets: %q", os.Getenv("LISTEN_FDS"))
		}
		sockets = n
	}
	if sockets > 0 {
		if init {
			return errors.New("--init cannot be used with the sockets of a unit: they are for process 1, which would not be the service")
		}
		o.Listen = []string{"LISTEN_FDS=" + strconv.Itoa(sockets)}
		if names := os.Getenv("LISTEN_FDNAMES"); names != "" {
			o.Listen = append(o.Listen, "LISTEN_FDNAMES="+names)
		}
	}
	for _, name := range []string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"} {
		os.Unsetenv(name) // they are this process's alone
	}
	var err error
	o.Kept, err = keptFiles(sockets + preserve)
	return err
}

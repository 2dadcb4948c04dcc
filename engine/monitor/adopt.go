package monitor

import (
	"errors"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"codeberg.org/hoy/hoy/oci/runtime"
)

// adopt takes over a container whose monitor was killed.
func (k *keeper) adopt() error {
	state, err := ReadState(k.s.Place)
	if err != nil {
		return err
	}
	if state.Process == nil {
		return errors.New("adopt: the container does not run")
	}
	pidfd, err := state.Process.Open()
	if err != nil {
		return k.lost(state, err)
	}
	k.waiter = &orphan{pidfd: pidfd}
	for i := range k.stdio.ours {
		err := k.stdio.reopen(k.s.Place, i)
		if err != nil && !errors.Is(err, os.ErrNotExist) { // a pipe or a terminal went with its monitor
			return err
		}
	}
	if k.listener, err = listen(k.s.RunFile(socketFile)); err != nil {
		return err
	}
	k.connectInput()
	k.hub.begin()
	k.startPumps()
	go k.hub.serve(k.listener)
	return nil
}

// lost records that the container ended while nobody watched.
func (k *keeper) lost(state State, reason error) error {
	var err error
	if k.s.AutoRemove {
		err = Erase(k.s.Place, k.s.Volumes)
	} else {
		err = WriteState(k.s.Place, state.Lost(time.Now().UTC()), Durable)
	}
	k.release()
	return errors.Join(reason, err)
}

// orphan is a container's process that is not our child.
type orphan struct {
	pidfd *os.File
}

// Wait waits until the process has ended. Its exit status can be had when it has been reaped by whoever is its parent now, and the
// kernel keeps it (Linux 6.15, PIDFD_GET_INFO); else it is CodeUnknown.
func (o *orphan) Wait() (runtime.ExitStatus, error) {
	defer o.pidfd.Close()
	fd := int(o.pidfd.Fd())
	if err := wait(fd, unix.POLLIN, -1); err != nil {
		return runtime.ExitStatus{}, err
	}
	wait(fd, 0, 1000) // for POLLHUP: reaped
	info := unix.PidfdInfo{Mask: unix.PIDFD_INFO_EXIT}
	if err := unix.IoctlPidfdInfo(fd, &info); err != nil || info.Mask&unix.PIDFD_INFO_EXIT == 0 {
		return runtime.ExitStatus{Code: CodeUnknown}, nil
	}
	status := syscall.WaitStatus(info.Exit_code)
	if status.Signaled() {
		return runtime.ExitStatus{Code: 128 + int(status.Signal()), Signal: status.Signal()}, nil
	}
	return runtime.ExitStatus{Code: status.ExitStatus()}, nil
}

// wait waits for events on a descriptor, for so many milliseconds; -1: for ever.
func wait(fd int, events int16, timeout int) error {
	for {
		_, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: events}}, timeout)
		if err != unix.EINTR {
			return err
		}
	}
}

package monitor

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
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
	k.hooked = k.s.Hooked != nil
	pidfd, err := state.Process.Open()
	if err != nil {
		return k.lost(state, err)
	}
	process := &orphan{pidfd: pidfd, ref: *state.Process}
	k.orphan.Store(process)
	k.waiter, k.foreign, k.began = process, true, state.StartedAt
	k.grouped = true // the next run is another monitor's
	for i := range k.stdio.ours {
		err := k.stdio.reopen(k.s.Place, i)
		if err != nil && !errors.Is(err, os.ErrNotExist) { // a pipe or a terminal went with its monitor
			return err
		}
	}
	if k.listener, err = listen(k.s.RunFile(socketFile)); err != nil {
		return err
	}
	k.hubs.again(k.s.Place)
	k.serveNetwork()
	k.connectInput()
	if k.s.Timeout > 0 {
		k.expire.after(max(k.s.Timeout-time.Since(k.began), time.Millisecond), k.passOn)
	}
	before, _ := ReadHealth(k.s.Place)
	k.startProbes(*state.Process, &before)
	k.hub.begin()
	k.startPumps()
	go k.hub.serve(k.listener)
	return nil
}

// lost records that the container ended while nobody watched.
func (k *keeper) lost(state State, reason error) error {
	var err error
	k.stopHooks()
	state = state.Lost(k.s.Place, ReadBrief(k.s.Place).Restart)
	again := state.Again.Pending()
	if k.s.AutoRemove && !again {
		err = Erase(k.s.Place, k.s.Volumes)
	} else {
		err = WriteState(k.s.Place, state, Durable)
		k.happened("die", "exitCode", strconv.Itoa(state.ExitCode))
	}
	if again && err == nil {
		return k.resume()
	}
	k.release()
	return errors.Join(reason, err)
}

// orphan is a container's process that is not our child.
type orphan struct {
	pidfd *os.File
	ref   runtime.Ref
}

// Wait waits until the process has ended. Its parent is now whoever takes in orphans on this host. Until that one reaps it, its exit status is
// in /proc; afterwards the kernel still gives it by pidfd (Linux 6.15, PIDFD_GET_INFO). Where neither is to be had it is CodeUnknown.
func (o *orphan) Wait() (runtime.ExitStatus, error) {
	defer o.pidfd.Close()
	fd := int(o.pidfd.Fd())
	if err := wait(fd, unix.POLLIN, -1); err != nil {
		return runtime.ExitStatus{}, err
	}
	if status, ok := zombie(o.ref); ok {
		return status, nil
	}
	wait(fd, 0, 1000) // for POLLHUP: reaped
	info := unix.PidfdInfo{Mask: unix.PIDFD_INFO_EXIT}
	if err := unix.IoctlPidfdInfo(fd, &info); err != nil || info.Mask&unix.PIDFD_INFO_EXIT == 0 {
		return runtime.ExitStatus{Code: CodeUnknown}, nil
	}
	return exitStatus(syscall.WaitStatus(info.Exit_code)), nil
}

func exitStatus(w syscall.WaitStatus) runtime.ExitStatus {
	if w.Signaled() {
		return runtime.ExitStatus{Code: 128 + int(w.Signal()), Signal: w.Signal()}
	}
	return runtime.ExitStatus{Code: w.ExitStatus()}
}

// zombie gives the exit status of a process that has ended and that nobody has reaped.
func zombie(ref runtime.Ref) (runtime.ExitStatus, bool) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", ref.Pid))
	if err != nil || ref.BootID != runtime.BootID() {
		return runtime.ExitStatus{}, false
	}
	status, ok := zombieStatus(data, ref.StartTime)
	return exitStatus(status), ok
}

// zombieStatus finds in proc_pid_stat(5) how a process that began at start has ended. It says no of one that still lives, or is another.
func zombieStatus(stat []byte, start uint64) (syscall.WaitStatus, bool) {
	const state, startTime, exitCode = 3, 22, 52 // numbered as in the manual page; the second field may have spaces in it
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) <= exitCode-state || fields[0] != "Z" {
		return 0, false
	}
	began, err1 := strconv.ParseUint(fields[startTime-state], 10, 64)
	code, err2 := strconv.ParseUint(fields[exitCode-state], 10, 32)
	return syscall.WaitStatus(code), err1 == nil && err2 == nil && began == start
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

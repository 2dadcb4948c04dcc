package monitor

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"

	"codeberg.org/hoy/hoy/netns/wake"
)

// Role is the argv[0] of a background monitor.
const Role = "hoy-monitor"

// The descriptors that a background monitor inherits.
const (
	fdLock    = 3
	fdClient  = 4
	fdNetwork = 5  // and those after it: Network.Files, then what the container keeps
	fdAdopted = 64 // the same, of a monitor that has adopted the container: beyond those that a program has open by then
)

// The two tasks of a background monitor, its last argument.
const (
	taskStart = "start" // start the container and keep it
	taskAdopt = "adopt" // keep one that runs and whose monitor was killed
	// taskResume: start one again that waits for it and whose monitor was killed.
	taskResume = "resume"
)

// Main is the background monitor. It never returns.
func Main() {
	if err := background(os.Args); err != nil {
		fmt.Fprintln(os.Stderr, "hoy-monitor:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func background(args []string) error {
	if len(args) != 5 {
		return fmt.Errorf("%d arguments instead of root, run, id and task", len(args)-1)
	}
	for _, fd := range []int{fdLock, fdClient} {
		unix.CloseOnExec(fd)
	}
	unix.Umask(0o022)
	p := Place{Root: args[1], Run: args[2], ID: args[3]}
	lock := firstToGo(os.NewFile(fdLock, "lock"))
	if args[4] == taskResume {
		k := newKeeper(&Settings{Place: p}, lock)
		k.stopOnSignals()
		return k.resume()
	}
	s, err := ReadSettings(p)
	if err != nil {
		if args[4] == taskStart {
			reportFailure(err)
		}
		return err
	}
	next := fdNetwork
	if s.Network != nil {
		s.Network.inherit(map[string]int{taskStart: fdNetwork, taskAdopt: fdAdopted}[args[4]])
		next += s.Network.Inherited
	}
	k := newKeeper(s, lock)
	if args[4] == taskStart {
		k.kept = takeOver(next, s.Plan.KeepFDs)
		if s.Log.Passthrough {
			k.through = takeOver(next+s.Plan.KeepFDs, 3)
		}
	}
	k.stopOnSignals()
	if args[4] == taskAdopt {
		err = k.adopt()
	} else {
		err = k.startForClient(os.NewFile(fdClient, "client"))
	}
	if err != nil {
		return err
	}
	wake.ShrinkSoon()
	_, err = k.keep()
	k.hub.flush()
	return err
}

// takeOver gives count of this process's descriptors from first on.
func takeOver(first, count int) []*os.File {
	var files []*os.File
	for fd := first; fd < first+count; fd++ {
		unix.CloseOnExec(fd)
		files = append(files, os.NewFile(uintptr(fd), "kept"))
	}
	return files
}

// firstToGo gives the lock a number above all others: when a process is killed, the kernel lets its files go from the highest number down, and a
// tap, which takes some 20 ms, would keep the lock from who looks meanwhile (fput in fs/file_table.c, task_work_run).
func firstToGo(lock *os.File) *os.File {
	const above = 128
	fd, err := unix.FcntlInt(lock.Fd(), unix.F_DUPFD_CLOEXEC, above)
	if err != nil {
		return lock
	}
	lock.Close()
	return os.NewFile(uintptr(fd), "lock")
}

// reportFailure tells the caller what went wrong before there was a keeper.
func reportFailure(err error) {
	os.NewFile(fdClient, "client").Write(failureFrame(NewFailure(err)))
}

// startForClient starts the container, with the caller as its first client.
func (k *keeper) startForClient(conn *os.File) error {
	want, size, err := readHello(conn)
	if err != nil {
		return k.fail(err)
	}
	if size != (Size{}) {
		k.s.Plan.Rows, k.s.Plan.Cols = size.Rows, size.Cols
	}
	k.aborted = func() bool { return hungUp(conn) }
	k.hub.add(conn, want, true)
	if err := k.backgroundStdio(); err != nil {
		return k.failed(err)
	}
	k.placeNetwork()
	if err := k.start(); err != nil {
		return k.failed(err)
	}
	return nil
}

// failed is fail, told to the clients. The caller prints the reason: the monitor has nothing to add.
func (k *keeper) failed(reason error) error {
	err := k.fail(reason)
	k.hub.flush()
	return err
}

// backgroundStdio puts FIFOs between: a killed monitor breaks nothing, and the next one opens them again. Only the
// input that ends with its client is an anonymous pipe, because a FIFO that never breaks never ends either.
func (k *keeper) backgroundStdio() error {
	if k.s.Plan.Terminal {
		return nil
	}
	if k.through != nil {
		for i, f := range k.through {
			k.stdio.lend(i, f)
		}
		return nil
	}
	if k.s.OpenStdin {
		connect := func() error { return k.stdio.fifo(k.s.Place, 0) }
		if k.s.StdinOnce {
			connect = func() error { return k.stdio.pipe(0) }
		}
		if err := connect(); err != nil {
			return err
		}
	}
	return errors.Join(k.stdio.fifo(k.s.Place, 1), k.stdio.fifo(k.s.Place, 2))
}

// hungUp says whether the other end of a connection has been closed.
func hungUp(conn *os.File) bool {
	raw, err := conn.SyscallConn()
	if err != nil {
		return true
	}
	gone := false
	raw.Control(func(fd uintptr) {
		poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
		n, err := unix.Poll(poll, 0)
		gone = err == nil && n > 0 && poll[0].Revents&(unix.POLLHUP|unix.POLLRDHUP) != 0
	})
	return gone
}

// stopOnSignals makes the end of the monitor that of the container, whose end it then records: a shutdown of the host sends both SIGTERM.
func (k *keeper) stopOnSignals() {
	signal.Ignore(syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT)
	catch(k.leave, []os.Signal{syscall.SIGTERM}, nil)
}

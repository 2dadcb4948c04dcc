package child

import (
	"fmt"
	"os"
	"os/signal"
	"path"
	"strconv"

	"codeberg.org/hoy/hoy/oci/child/wire"
	"codeberg.org/hoy/hoy/oci/nsenter/raw"
	"golang.org/x/sys/unix"
)

// awaitGo says that the container is complete, and waits until the parent has done its own part (addresses, records).
// Everything that can fail because of the container's configuration comes before it.
func awaitGo(b *birth) error {
	if b.Listener {
		if err := b.checkCommand(); err != nil {
			return err
		}
		endBySignal()
	}
	if err := b.conn.Send(wire.Ready, nil); err != nil {
		return err
	}
	if b.Listener {
		if err := b.accept(); err != nil {
			return err
		}
	}
	var err error
	b.state, err = b.await(wire.Go)
	return err
}

// checkCommand looks for a command that will be executed much later: who creates the container is to learn that it is not there.
func (b *birth) checkCommand() error {
	command := b.plan.Args[0]
	found := raw.Failure{Label: raw.Label{Step: StepExec, Path: strconv.Quote(command)}, Errno: unix.ENOENT}
	for _, c := range Candidates(command, b.plan.Env) {
		if !path.IsAbs(c) {
			c = path.Join(b.plan.Cwd, c)
		}
		fd, err := b.root.Open(c, unix.O_PATH)
		if err != nil {
			continue
		}
		st, err := fstat(fd)
		unix.Close(fd)
		if err == nil && !isDir(st) && st.Mode&0o111 != 0 {
			return nil
		}
		found.Errno = unix.EACCES
	}
	return Explain(&found, command, b.plan.Env, unix.Stat)
}

// await waits for one message of the parent, and gives what it holds. Without a parent there is nobody to go on for.
func (b *birth) await(want wire.Kind) ([]byte, error) {
	kind, data, _, err := b.conn.Recv()
	if err != nil {
		os.Exit(1)
	}
	if kind != want {
		return nil, fmt.Errorf("unexpected message %q", kind)
	}
	return data, nil
}

// accept waits for another process to take the parent's place: the one that starts the container, some time after the one that created it has gone.
// That one says first that it has recorded the container.
func (b *birth) accept() error {
	if _, err := b.await(wire.Leave); err != nil {
		return err
	}
	for {
		fd, _, err := unix.Accept4(b.listener(), unix.SOCK_CLOEXEC)
		if err == unix.EINTR || err == unix.ECONNABORTED {
			continue
		}
		if err != nil {
			return at("accept", err)
		}
		unix.Close(b.conn.FD)
		b.conn.FD = fd
		unix.Close(b.listener())
		return nil
	}
}

// endBySignal has a signal that would end the command end this process in its place: from ready on the container is known. The kernel drops it for a process 1 without a handler.
func endBySignal() {
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGABRT, unix.SIGUSR1, unix.SIGUSR2, unix.SIGALRM, unix.SIGTERM)
	go func() {
		sig, _ := (<-caught).(unix.Signal)
		os.Exit(128 + int(sig))
	}()
}

// listener and mark are the descriptors of a child that waits for another process. They follow those that the container keeps; the mark, a file
// that is locked as long as it is open, says to whoever asks that the command does not run yet.
func (b *birth) listener() int { return SocketFD + 1 + b.plan.KeepFDs }
func (b *birth) mark() int     { return b.listener() + 1 }

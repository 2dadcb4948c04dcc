package monitor

import (
	"errors"
	"fmt"
	"math"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Role is the argv[0] of a background monitor.
const Role = "hoy-monitor"

// The descriptors that a background monitor inherits.
const (
	fdLock    = 3
	fdClient  = 4
	fdNetwork = 5 // and those after it: Network.Files
)

// The two tasks of a background monitor, its last argument.
const (
	taskStart = "start" // start the container and keep it
	taskAdopt = "adopt" // keep one that runs and whose monitor was killed
)

// Spawn starts a background monitor that starts the container, and gives the connection to it: the client's first event is Started or a
// *Failure. lock is the container's; it goes over to the monitor, as the network's files do, and is closed here. The settings must have been written.
func Spawn(set *Settings, lock *os.File, s Streams, z Size) (*Client, error) {
	ours, theirs, err := pair()
	if err != nil {
		lock.Close()
		set.Network.Close()
		return nil, err
	}
	c, err := newClient(ours, s, z)
	if err == nil {
		err = spawn(set, taskStart, lock, theirs)
	}
	theirs.Close()
	lock.Close()
	set.Network.Close()
	if err != nil {
		ours.Close()
		return nil, err
	}
	return c, nil
}

// Adopt starts a background monitor for a container that outlived its own. The lock goes over to it.
func Adopt(p Place, lock *os.File) error {
	defer lock.Close()
	null, err := os.Open(os.DevNull)
	if err != nil {
		return err
	}
	defer null.Close()
	n, err := ReadNetwork(p)
	if err != nil {
		return err
	}
	return spawn(&Settings{Place: p, Network: n}, taskAdopt, lock, null)
}

func spawn(s *Settings, task string, lock, client *os.File) error {
	p := s.Place
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	// What a panic says must be somewhere.
	trace, err := os.OpenFile(p.RunFile(traceFile), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer trace.Close()
	// What the caller inherited without knowing is nothing for a process that lives long.
	unix.CloseRange(3, math.MaxInt32, unix.CLOSE_RANGE_CLOEXEC)
	role, files := Role, []*os.File{null, null, trace, lock, client}
	if s.Network != nil {
		role, files = NetworkRole, append(files, s.Network.Files...)
	}
	proc, err := os.StartProcess("/proc/self/exe", []string{role, p.Root, p.Run, p.ID, task}, &os.ProcAttr{
		Dir:   "/",
		Env:   environment(),
		Files: files,
		Sys:   &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		return fmt.Errorf("start monitor: %w", err)
	}
	return proc.Release()
}

// smallRuntime are the settings of a monitor's Go runtime. It waits nearly always: one P keeps it small. What it holds meanwhile is a few kilobytes
// that never become garbage, so the collector, which would touch all of the program's data every two minutes, runs
// only when clients make it work. (Package runtime/debug, which sets the same, is initialised too late; see engine/role.)
var smallRuntime = []string{"GOMAXPROCS=1", "GOGC=off", "GOMEMLIMIT=16MiB"}

// environment is what a monitor needs of the caller's: nothing of a user's goes to where a container's output goes.
func environment() []string {
	env := slices.Clone(smallRuntime)
	for _, e := range os.Environ() {
		if strings.HasPrefix(e, "HOY_") || strings.HasPrefix(e, "_CONTAINERS_") || strings.HasPrefix(e, "PATH=") {
			env = append(env, e)
		}
	}
	return env
}

// Main is the background monitor; with serve, in the role NetworkRole, of a container that has a network. It never returns.
func Main(serve NetworkServer) {
	if err := background(os.Args, serve); err != nil {
		fmt.Fprintln(os.Stderr, "hoy-monitor:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func background(args []string, serve NetworkServer) error {
	if len(args) != 5 {
		return fmt.Errorf("%d arguments instead of root, run, id and task", len(args)-1)
	}
	for _, fd := range []int{fdLock, fdClient} {
		unix.CloseOnExec(fd)
	}
	unix.Umask(0o022)
	p := Place{Root: args[1], Run: args[2], ID: args[3]}
	lock := os.NewFile(fdLock, "lock")
	s, err := ReadSettings(p)
	if err != nil {
		if args[4] == taskStart {
			reportFailure(err)
		}
		return err
	}
	if s.Network != nil && args[4] == taskStart {
		s.Network.inherit(fdNetwork)
	}
	k := newKeeper(s, lock)
	k.serve = serve
	k.stopOnSignals()
	if args[4] == taskAdopt {
		err = k.adopt()
	} else {
		err = k.startForClient(os.NewFile(fdClient, "client"))
	}
	if err != nil {
		return err
	}
	shrink()
	_, err = k.keep()
	k.hub.flush()
	return err
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
	catch(k.passOn, []os.Signal{syscall.SIGTERM}, nil)
}

package monitor

import (
	"fmt"
	"math"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"codeberg.org/hoy/hoy/engine/rootless"
	"codeberg.org/hoy/hoy/netns/record/live"
	"codeberg.org/hoy/hoy/netns/wake"
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

// Resume starts a background monitor for a container that waits to be started again and whose monitor was killed. The lock goes over to it.
func Resume(p Place, lock *os.File) error {
	defer lock.Close()
	null, err := os.Open(os.DevNull)
	if err != nil {
		return err
	}
	defer null.Close()
	return spawn(&Settings{Place: p}, taskResume, lock, null)
}

// adopting opens the user namespace that a user's monitor has to be in to take over a container's network, be it one that the container has joined while it
// ran, when that is not this process's.
func adopting(s *Settings, task string) *os.File {
	if task != taskAdopt || os.Geteuid() == 0 || s.Network == nil && !live.On(s.Place.Root, s.Place.ID) {
		return nil
	}
	state, err := ReadState(s.Place)
	if err != nil || state.Process == nil {
		return nil
	}
	ns, err := rootless.UsernsOf(state.Process.Pid)
	if err != nil {
		return nil // it has ended meanwhile
	}
	return ns
}

func spawn(s *Settings, task string, lock, client *os.File) error {
	p := s.Place
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	// What a panic says must be somewhere.
	trace, err := openTrace(p)
	if err != nil {
		return err
	}
	defer trace.Close()
	// What the caller inherited without knowing is nothing for a process that lives long.
	unix.CloseRange(3, math.MaxInt32, unix.CLOSE_RANGE_CLOEXEC)
	role, files := Role, []*os.File{null, null, trace, lock, client}
	if s.Network != nil && task == taskAdopt {
		role = AdoptRole
	} else if s.Network != nil {
		files = append(files, s.Network.Files...)
	}
	if userns := adopting(s, task); userns != nil {
		defer userns.Close()
		return spawnInside(userns, []string{role, p.Root, p.Run, p.ID, task}, files)
	}
	files = append(files, s.Kept...)
	if s.Log.Passthrough {
		files = append(files, os.Stdin, os.Stdout, os.Stderr)
	}
	proc, err := os.StartProcess("/proc/self/exe", []string{role, p.Root, p.Run, p.ID, task}, &os.ProcAttr{
		Dir:   "/",
		Env:   append(environment(), notifySocket(s)...),
		Files: files,
		Sys:   &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		return fmt.Errorf("start monitor: %w", err)
	}
	return proc.Release()
}

// environment is what a monitor needs of the caller's: nothing of a user's goes to where a container's output goes.
func environment() []string {
	env := wake.SmallRuntime()
	for _, e := range os.Environ() {
		for _, prefix := range inherited {
			if strings.HasPrefix(e, prefix) && !strings.HasPrefix(e, ResumeEnv) {
				env = append(env, e)
			}
		}
	}
	return env
}

// inherited are the variables of hoy's own, and those that a start of the container by this monitor's successor needs.
var inherited = []string{"HOY_", "_CONTAINERS_", "PATH=", "HOME=", "XDG_", "DBUS_SESSION_BUS_ADDRESS="}

func openTrace(p Place) (*os.File, error) {
	return os.OpenFile(p.RunFile(traceFile), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
}

// Trace makes the file for what a monitor says when it panics the calling process's stderr.
func Trace(p Place) {
	if f, err := openTrace(p); err == nil {
		unix.Dup3(int(f.Fd()), 2, 0)
		f.Close()
	}
}

// Become makes the process that was started as AdoptRole the monitor, with the files of the container's network. It returns only when that fails.
func Become(args []string, files []*os.File) error {
	for i, f := range files {
		fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD, fdAdopted)
		if err == nil && fd != fdAdopted+i {
			err = fmt.Errorf("descriptor %d is in use", fdAdopted+i)
		}
		if err != nil {
			return fmt.Errorf("pass on the network: %w", err)
		}
	}
	return unix.Exec("/proc/self/exe", append([]string{Role}, args[1:]...), os.Environ())
}

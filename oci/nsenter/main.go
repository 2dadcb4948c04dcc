package nsenter

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"

	"codeberg.org/hoy/hoy/oci/child"
	"codeberg.org/hoy/hoy/oci/child/wire"
	"codeberg.org/hoy/hoy/oci/inroot"
	"golang.org/x/sys/unix"
)

// entry is one exec on its way.
type entry struct {
	Start
	plan  *Plan
	conn  wire.Conn
	pidfd int         // of the container's first process
	proc  int         // the host's /proc
	root  inroot.Root // the container's, from outside
	ids   child.IDs
	home  string
}

// Main is the role "hoy-exec": it reads its Plan from its parent and starts the process, which becomes a child of the parent. It never returns.
func Main() {
	runtime.LockOSThread()
	e := &entry{conn: wire.Conn{FD: child.SocketFD}, pidfd: PidfdFD}
	if failed := e.live(); failed != nil {
		_ = e.conn.Send(wire.Failed, wire.Marshal(*failed))
		os.Exit(1)
	}
	os.Exit(0)
}

func (e *entry) live() (failed *child.StepError) {
	name := "plan"
	defer func() {
		if r := recover(); r != nil {
			failed = &child.StepError{Step: name, Text: fmt.Sprintf("internal error: %v", r)}
		}
	}()
	for _, s := range []struct {
		name string
		run  func(*entry) error
	}{
		{"plan", readPlan},
		{"container", openContainer},
		{"user", resolveUser},
		{"console", makeConsole},
		{"exec", enter},
	} {
		name = s.name
		if err := s.run(e); err != nil {
			return child.AsStep(name, err)
		}
	}
	return nil
}

func readPlan(e *entry) error {
	unix.CloseOnExec(child.SocketFD)
	unix.CloseOnExec(PidfdFD)
	kind, data, _, err := e.conn.Recv()
	if err != nil {
		return err
	}
	if kind != wire.Plan {
		return fmt.Errorf("unexpected message %q", kind)
	}
	if err := wire.Unmarshal(data, &e.Start); err != nil {
		return err
	}
	if e.plan = e.Start.Plan; e.plan == nil || len(e.plan.Args) == 0 {
		return errors.New("no command")
	}
	return child.CheckStrings(e.plan.Cwd, e.plan.Args, e.plan.Env)
}

// errEnded is a container whose first process ended before it could be joined.
var errEnded error = &child.StepError{Errno: unix.ESRCH, Text: "the container has ended"}

// openContainer opens the container's root from outside. The process behind the pidfd lives still afterwards, so its pid was
// its own all the time. From here on nobody may look into this process: what it forks is inside the container for a moment.
func openContainer(e *entry) error {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return err
	}
	var err error
	if e.proc, err = unix.Open("/proc", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0); err != nil {
		return err
	}
	fd, err := unix.Openat(e.proc, strconv.Itoa(e.plan.Pid)+"/root", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err == unix.ENOENT {
		return errEnded
	}
	if err != nil {
		return err
	}
	e.root = inroot.Root(fd)
	if unix.PidfdSendSignal(e.pidfd, 0, nil, 0) == unix.ESRCH {
		return errEnded
	}
	return nil
}

// resolveUser looks the user up in the container's files, read from outside through in-root opens.
func resolveUser(e *entry) (err error) {
	files := child.UserFiles{Root: e.root, Proc: e.proc}
	if e.plan.IDs != nil {
		e.ids, e.home = *e.plan.IDs, files.Home(e.plan.IDs.UID)
		return nil
	}
	e.ids, e.home, err = child.Resolve(files, e.plan.User, e.plan.GroupAdd)
	return err
}

// makeConsole opens a terminal in the container's devpts, so that it has a name there, and sends the master to the parent.
func makeConsole(e *entry) error {
	if !e.plan.Terminal {
		return nil
	}
	p, err := child.OpenPTY(e.root, e.proc, e.plan.Rows, e.plan.Cols)
	if err != nil {
		return err
	}
	defer unix.Close(p.Master)
	for fd := range 3 {
		if err := unix.Dup3(p.Slave, fd, 0); err != nil {
			return err
		}
	}
	unix.Close(p.Slave)
	return e.conn.SendFD(wire.Console, nil, p.Master)
}

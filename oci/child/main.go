package child

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"codeberg.org/hoy/hoy/oci/child/wire"
	"codeberg.org/hoy/hoy/oci/inroot"
	"golang.org/x/sys/unix"
)

// Role is the argv[0] that a child is started with.
const Role = "hoy-child"

// SocketFD is the descriptor of a child's end of the conversation with its parent (package wire). Descriptors 0, 1 and 2 are the
// container's; the plan's KeepFDs follow from 4 on (MoveKept).
const SocketFD = 3

// Start is the first message of the parent: the plan, and what holds for this start of it only. With it comes the root as a
// detached mount, when the parent could make it (PrepareRootfs).
type Start struct {
	Plan           *Plan
	KillWithParent bool
	Stdio          []int   // those of descriptors 0, 1 and 2 that were not known yet when the child was started, and are sent in as many messages
	Given          []Given // what the parent has opened for the child, and sends in as many messages after those
	// Unmapped: the process was born in a user namespace of the container's before that had its ids, which it has now.
	Unmapped bool
	// Listener: not the parent says when to go, but who connects to a socket. It listens already; its descriptor follows the KeepFDs, and after it comes
	// a locked file that stays open until the command runs.
	Listener bool
}

// birth is a container while it is being born: the plan, and what the steps hand to those after them.
type birth struct {
	Start
	plan *Plan
	conn wire.Conn

	userns  bool            // in a user namespace other than the host's first
	proc    int             // /proc: the host's, then the container's own
	rootfs  mounted         // the new root, before it is "/"
	root    inroot.Root     // the same once it is "/"
	idmap   *os.File        // the parent's part: the container's own user namespace; nil: none
	given   map[int]mounted // by the number of the mount: what the parent has opened
	kernel  []kernelMount   // procfs and sysfs, once they are mounted
	mounts  []mounted       // what Plan.Mounts mounts, in the same order
	devices []int           // the host's device nodes as detached binds, in the order of Plan.Devices; nil when they are made by mknod
	shared  []*os.File      // of volumes that this container may be the first to mount: locked until the exec
	self    int             // the sealed executable, for Plan.Init; else -1
	tty     int             // the terminal, with Plan.Terminal; else -1

	ids   IDs
	home  string
	state []byte // the specification's state, for hooks
}

// step is one line of the table below.
type step struct {
	name string
	run  func(*birth) error
}

// steps is how a container is born. The order is the security argument:
// everything of the host is opened first; then the process moves into the new root and the host's mounts are gone, so that no later
// step can be led to them; privileges are dropped last. Each function says what must have happened before it.
var steps = []step{
	{"identity", becomeRoot},
	{"session", startSession},
	{"namespaces", joinNamespaces},
	{"propagation", setPropagation},
	{"sources", openSources},
	{"isolation", isolate},
	{"rootfs", makeRootfs},
	{"pivot_root", pivotRoot},
	{"mounts", mountAll},
	{"devices", makeDevices},
	{"console", makeConsole},
	{"workdir", makeWorkdir},
	{"accounts", addAccounts},
	{"network", raiseLoopback},
	{"hostname", setHostname},
	{"sysctl", setSysctls},
	{"masks", maskPaths},
	{"readonly", protectPaths},
	{"user", resolveUser},
	{"ready", awaitGo},
	{"exec", becomeProcess},
}

// stepsBeforePivot is the order for a plan with hooks that want to see the host's paths and the container's mounts together. Paths in the container are opened
// in-root by descriptor, so that what pivot_root is for in the order above, that no link leads out, holds here as well.
var stepsBeforePivot = []step{
	{"identity", becomeRoot},
	{"session", startSession},
	{"namespaces", joinNamespaces},
	{"propagation", setPropagation},
	{"sources", openSources},
	{"isolation", isolate},
	{"rootfs", makeRootfs},
	{"attach", attachRootfs},
	{"mounts", mountAll},
	{"devices", makeDevices},
	{"console", makeConsole},
	{"hooks", runCreateHooks},
	{"pivot_root", pivotRoot},
	{"workdir", makeWorkdir},
	{"accounts", addAccounts},
	{"network", raiseLoopback},
	{"hostname", setHostname},
	{"sysctl", setSysctls},
	{"masks", maskPaths},
	{"readonly", protectPaths},
	{"user", resolveUser},
	{"ready", awaitGo},
	{"exec", becomeProcess},
}

// Main is the role "hoy-child": it reads its Plan from its parent, takes the steps and becomes the container's process. It never returns.
func Main() {
	// Namespaces, credentials, no_new_privs and seccomp belong to a thread. All steps are taken by this one, and it is the one that calls
	// execve, which ends all others.
	runtime.LockOSThread()
	b := &birth{conn: wire.Conn{FD: SocketFD}, self: -1, tty: -1}
	b.fail(b.live())
	os.Exit(1)
}

// live takes the steps. It returns only when one has failed.
func (b *birth) live() (failed *StepError) {
	name := "plan"
	defer func() {
		if r := recover(); r != nil {
			failed = &StepError{Step: name, Text: fmt.Sprintf("internal error: %v", r)}
		}
	}()
	if err := b.readPlan(); err != nil {
		return AsStep(name, err)
	}
	order := steps
	if b.plan.Hooks.beforePivot() || b.plan.HostMounts {
		order = stepsBeforePivot
	}
	for _, s := range order {
		name = s.name
		if err := s.run(b); err != nil {
			return AsStep(name, err)
		}
	}
	return &StepError{Step: name, Text: "the command was not executed"}
}

func (b *birth) readPlan() error {
	unix.CloseOnExec(SocketFD)
	kind, data, root, err := b.conn.Recv()
	if err != nil {
		return err
	}
	if kind != wire.Plan {
		return fmt.Errorf("unexpected message %q", kind)
	}
	if err := wire.Unmarshal(data, &b.Start); err != nil {
		return err
	}
	b.rootfs = mounted{fd: root, dir: true}
	if b.plan = b.Start.Plan; b.plan == nil || len(b.plan.Args) == 0 {
		return errors.New("no command")
	}
	if err := CheckStrings(b.plan.Cwd, b.plan.Args, b.plan.Env); err != nil {
		return err
	}
	if b.Listener {
		unix.CloseOnExec(b.listener())
		unix.CloseOnExec(b.mark())
	}
	for _, i := range b.Stdio {
		fd, err := b.takeFile()
		if err != nil {
			return err
		}
		if err := unix.Dup2(fd, i); err != nil {
			return err
		}
		unix.Close(fd)
	}
	return b.takeGiven()
}

// fail tells the parent. When the parent is gone there is nobody to tell.
func (b *birth) fail(e *StepError) {
	_ = b.conn.Send(wire.Failed, wire.Marshal(*e))
}

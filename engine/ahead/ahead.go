// Package ahead starts the process of a container while the program that will describe it is still initialising its libraries: what takes two
// milliseconds each goes on at once. It reads the command line a little, and only guesses. What is guessed wrong costs a process that is
// thrown away (runtime.Ahead), never more.
package ahead

import (
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"codeberg.org/hoy/hoy/cgroups/group"
	"codeberg.org/hoy/hoy/engine/rootless"
	"codeberg.org/hoy/hoy/engine/rootless/early"
	"codeberg.org/hoy/hoy/oci/runtime"
	"codeberg.org/hoy/hoy/oci/userns"
)

// Process is what Begin began: the executable, and the process that was started from it.
type Process struct {
	Sealed *runtime.Sealed
	Ahead  *runtime.Ahead
}

// begun is what Take gives.
var begun *Process

// Begin begins, when the command line, without the program's name, is that of a container in the foreground.
func Begin(args []string) {
	run, ok := foreground(args)
	if !ok || os.Getenv("LISTEN_FDS") != "" { // inherited descriptors are looked at first
		return
	}
	sealed := runtime.Seal()
	begun = &Process{sealed, runtime.StartAhead(sealed, func() (runtime.Birth, bool) {
		rootless.Await() // without a uid it would lose its capabilities with its execve
		return birth(run), true
	})}
}

// Take gives what Begin began; nil when that was nothing. The caller closes it.
func Take() *Process {
	p := begun
	begun = nil
	return p
}

// Close ends the process, if nobody has taken it, and lets go of the executable.
func (p *Process) Close() {
	if p != nil {
		p.Ahead.Discard()
		p.Sealed.Close()
	}
}

// birth is what a container's process is born with: Docker's namespaces, and the device filter of those without devices of their own.
func birth(run early.Run) runtime.Birth {
	b := runtime.Birth{Flags: unix.CLONE_NEWNS | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC | unix.CLONE_NEWPID}
	if run.Userns {
		b.Flags |= unix.CLONE_NEWUSER
	}
	if run.Network == "none" || run.Userns && ownNetwork(run.Network) {
		b.Flags |= unix.CLONE_NEWNET // any other is made before the process, or the host's
	}
	if own := group.UnifiedOf("self"); own != "" && !rootless.Rootless() {
		if dir, ready := group.DefaultGuard(own); ready {
			b.Group = dir
		}
	}
	return b
}

// foreground reads a `run` in the foreground. It says no of other commands, and of a flag that it does not know.
func foreground(args []string) (run early.Run, ok bool) {
	if args, ok = rootless.RunArgs(args); ok {
		run, ok = early.Parse(args)
	}
	return run, ok && !run.Detach && !run.TTY
}

// ownNetwork says whether a container with that --network has a network namespace of its own.
func ownNetwork(mode string) bool {
	kind, _, _ := strings.Cut(mode, ":")
	return kind != "host" && kind != "container" && kind != "ns"
}

// Userns gives the process's own user namespace the ids, and opens it; nil when it has none.
func (p *Process) Userns(ids *userns.Map) (*os.File, error) {
	if p == nil {
		return nil, nil
	}
	return p.Ahead.Userns(ids)
}

// Network is the network namespace that the process was born with, whose owner is its own user namespace, with the ids; nil when it has none.
func (p *Process) Network(ids *userns.Map) (*os.File, error) {
	if p == nil {
		return nil, nil
	}
	return p.Ahead.Network(ids)
}

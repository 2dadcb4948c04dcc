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
	"codeberg.org/hoy/hoy/oci/runtime"
)

// boolean and valued are the flags of `run` that change nothing of what a process is born with. One letter stands for a short flag.
var (
	boolean = words("rm i interactive init read-only P publish-all q quiet no-healthcheck sig-proxy rmi")
	valued  = words("e env env-file v volume mount tmpfs name w workdir u user h hostname entrypoint l label network net p publish cap-add cap-drop ulimit " +
		"shm-size add-host dns log-driver log-opt cidfile pull platform stop-signal stop-timeout network-alias ip expose annotation group-add sysctl")
)

func words(list string) map[string]bool {
	set := map[string]bool{}
	for _, w := range strings.Fields(list) {
		set[w] = true
	}
	return set
}

// Process is what Begin began: the executable, and the process that was started from it.
type Process struct {
	Sealed *runtime.Sealed
	Ahead  *runtime.Ahead
}

// begun is what Take gives.
var begun *Process

// Begin begins, when the command line, without the program's name, is that of a container in the foreground.
func Begin(args []string) {
	network, ok := foreground(args)
	if !ok || os.Getenv("LISTEN_FDS") != "" { // inherited descriptors are looked at first
		return
	}
	sealed := runtime.Seal()
	begun = &Process{sealed, runtime.StartAhead(sealed, func() (runtime.Birth, bool) { return birth(network), true })}
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
func birth(network string) runtime.Birth {
	b := runtime.Birth{Flags: unix.CLONE_NEWNS | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC | unix.CLONE_NEWPID}
	if network == "none" {
		b.Flags |= unix.CLONE_NEWNET // any other is made before the process, or the host's
	}
	if own := group.UnifiedOf("self"); own != "" && !rootless.Rootless() {
		if dir, ready := group.DefaultGuard(own); ready {
			b.Group = dir
		}
	}
	return b
}

// foreground gives the network that a `run` in the foreground names. It says no of other commands, and of a flag that it does not know.
func foreground(args []string) (network string, ok bool) {
	args, ok = rootless.RunArgs(args)
	for ok && len(args) > 0 && strings.HasPrefix(args[0], "-") && args[0] != "--" {
		name, value, joined := flag(args[0])
		switch {
		case boolean[name] && !joined:
		case valued[name] && joined:
		case valued[name] && len(args) > 1:
			value, args = args[1], args[1:]
		default:
			return "", false
		}
		if name == "network" || name == "net" {
			network = value
		}
		args = args[1:]
	}
	return network, ok && len(args) > 0
}

// flag takes a word of the command line apart: "--name=value", "-nvalue". Of several short flags in one word it makes a name that nobody knows.
func flag(word string) (name, value string, joined bool) {
	if long, ok := strings.CutPrefix(word, "--"); ok {
		return strings.Cut(long, "=")
	}
	if short := strings.TrimPrefix(word, "-"); len(short) > 1 && valued[short[:1]] {
		return short[:1], strings.TrimPrefix(short[1:], "="), true
	}
	return strings.TrimPrefix(word, "-"), "", false
}

// Package early enters an ordinary user's user namespace before the Go runtime begins.
//
// A process with several threads can enter no user namespace (unshare(2)), and a Go program has several from its start. Without this package a rootless
// call is therefore two programs, one started by the other (package rootless). Here the program's entry point, which the linker sets with -E, is a function
// that runs while there is one thread: it starts newuidmap(1) and newgidmap(1), which work while the runtime and the libraries are initialised, and
// unshares. What it is not sure about it leaves to package rootless: other commands than `run`, flags that may need a user namespace that is there
// already, a user without subordinate ids, whatever fails.
//
// Nothing here that begin calls may use the runtime: no goroutine, no heap, no map, no stack that grows. So its functions are nosplit, and work on static
// memory.
package early

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// State is what was done before the runtime began. The zero value: nothing.
type State struct {
	Inside   bool    // this process is in a new user and mount namespace, and its ids are being mapped
	UID, GID int     // whose it is
	Tools    [2]Tool // newuidmap and newgidmap, this process's children
}

// Tool is a running newuidmap or newgidmap.
type Tool struct {
	Pid    int
	Output int // what it says: a pipe with close-on-exec
}

// Begun is this process's. Ran says whether the program is linked with -E at all.
var (
	Begun State
	Ran   bool
)

// begin is called by entry with the stack as the kernel made it: argc, argv, nil, the environment, nil.
//
//go:nosplit
func begin(stack unsafe.Pointer) {
	Ran = true
	argc := *(*int)(stack)
	if argc < 3 || argc > len(words) {
		return
	}
	args := unsafe.Slice((**byte)(unsafe.Add(stack, 8)), argc)
	for i := range args {
		words[i] = text(args[i])
	}
	if role(words[0]) || words[1] != "run" {
		return
	}
	if run, ok := Parse(words[2:argc]); !ok || !run.Alone() {
		return
	}
	env := (**byte)(unsafe.Add(stack, 8*(argc+2)))
	uid, gid := id(unix.SYS_GETUID), id(unix.SYS_GETGID)
	if uid == 0 || uid != id(unix.SYS_GETEUID) || gid != id(unix.SYS_GETEGID) || getenv(env, "LISTEN_FDS") != "" || getenv(env, "HOY_ROOTLESS_AGAIN") != "" {
		return
	}
	ownUID = text(decimal(uid))
	if !joins(env) && prepare(env, uid, gid) && enter() {
		Begun.Inside, Begun.UID, Begun.GID = true, uid, gid
	}
}

// role says whether this is no user's command but a part of hoy: hoy-child, hoy-monitor.
//
//go:nosplit
func role(program string) bool {
	for i := len(program); i > 0 && program[i-1] != '/'; i-- {
		if program[i-1] == '-' {
			return true
		}
	}
	return false
}

const lock = "/nethold/lock" // of netns/hold

// joins says whether somebody keeps the user's networks: then the call has to be in the user namespace of these (see netns/hold).
//
//go:nosplit
func joins(env **byte) bool {
	fits := true
	switch dir, base := getenv(env, "HOY_RUN"), getenv(env, "XDG_RUNTIME_DIR"); {
	case dir != "":
		fits = path.set(dir, lock, "")
	case base != "" && base[0] == '/':
		fits = path.set(base, "/hoy", lock)
	default:
		fits = path.set("/tmp/hoy-run-", ownUID, lock)
	}
	fd, errno := call(unix.SYS_OPENAT, at, path.pointer(), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if errno != 0 || !fits {
		return errno != unix.ENOENT
	}
	query = unix.Flock_t{Type: unix.F_WRLCK}
	_, errno = call(unix.SYS_FCNTL, fd, unix.F_OFD_GETLK, uintptr(unsafe.Pointer(&query)), 0)
	call(unix.SYS_CLOSE, fd, 0, 0, 0)
	return errno != 0 || query.Type != unix.F_UNLCK
}

// prepare makes the calls of both tools; false: one of them is not to be had.
//
//go:nosplit
func prepare(env **byte, uid, gid int) bool {
	return userName() && maps[0].prepare(env, "/newuidmap", "/etc/subuid", uid) && maps[1].prepare(env, "/newgidmap", "/etc/subgid", gid)
}

var none = [2]int32{-1, -1}

// enter starts the tools and unshares. They begin to map when it is done. false: nothing has happened.
//
//go:nosplit
func enter() bool {
	maps[0].output, maps[1].output = none, none
	self := id(unix.SYS_GETPID)
	ok := pipe(&gate)
	for i := range maps {
		ok = ok && pipe(&maps[i].output) && maps[i].start(self)
	}
	if ok {
		_, errno := call(unix.SYS_UNSHARE, unix.CLONE_NEWUSER|unix.CLONE_NEWNS, 0, 0, 0)
		ok = errno == 0
	}
	if ok {
		call(unix.SYS_WRITE, uintptr(gate[1]), uintptr(unsafe.Pointer(&byteRead)), uintptr(len(maps)), 0)
	}
	closeEnd(&gate[0])
	closeEnd(&gate[1]) // without a byte the tools end
	for i := range maps {
		m := &maps[i]
		closeEnd(&m.output[1])
		if !ok {
			closeEnd(&m.output[0])
			m.reap()
		}
		Begun.Tools[i] = Tool{m.pid, int(m.output[0])}
	}
	return ok
}

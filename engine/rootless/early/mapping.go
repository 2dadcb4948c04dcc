package early

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// maxRanges is how many ranges of subordinate ids a user may have here.
const maxRanges = 8

// mapping is one tool and its call.
type mapping struct {
	tool   static
	args   [5 + 3*maxRanges + 1]*byte
	n      int // of args
	pid    int
	output [2]int32
}

// maps and gate are used once.
var (
	maps [2]mapping
	gate [2]int32 // each tool begins with a byte that it reads from here
)

// prepare finds the tool and makes its arguments, but for the process: the user's own id becomes 0, the subordinate ones follow from 1 on, as package
// rootless has it.
//
//go:nosplit
func (m *mapping) prepare(env **byte, tool, subids string, own int) bool {
	if !m.find(getenv(env, "PATH"), tool) {
		return false
	}
	m.n = 2
	m.arg(0)
	m.arg(own)
	m.arg(1)
	content, ok := slurp(subids)
	inside := 1
	for line := ""; ok && content != ""; {
		line, content = cut(content, '\n')
		owner, rest := cut(line, ':')
		first, count := cut(rest, ':')
		from, ok1 := number(first)
		n, ok2 := number(trim(count))
		if owner = trim(owner); owner == ownUID || user.n > 0 && owner == user.text() {
			if !ok1 || !ok2 || from == 0 || n == 0 || m.n+3 >= len(m.args) {
				return false // package rootless knows better
			}
			m.arg(inside)
			m.arg(from)
			m.arg(n)
			inside += n
		}
	}
	return ok && inside > 1
}

//go:nosplit
func (m *mapping) arg(n int) {
	m.args[m.n] = decimal(n)
	m.n++
}

// find looks a tool up in the directories of PATH; its name begins with a slash.
//
//go:nosplit
func (m *mapping) find(dirs, name string) bool {
	if dirs == "" {
		dirs = "/usr/sbin:/usr/bin:/sbin:/bin"
	}
	for dir := ""; dirs != ""; {
		if dir, dirs = cut(dirs, ':'); dir == "" || dir[0] != '/' {
			continue
		}
		if !m.tool.set(dir, name, "") {
			continue
		}
		m.args[0] = &m.tool.bytes[len(dir)+1]
		_, errno := call(unix.SYS_NEWFSTATAT, at, m.tool.pointer(), uintptr(unsafe.Pointer(&stat)), 0)
		if errno == 0 && stat.Mode&unix.S_IFMT == unix.S_IFREG && stat.Mode&0o111 != 0 {
			return true
		}
	}
	return false
}

// start forks. The child waits for the gate, and executes the tool for the process.
//
//go:nosplit
func (m *mapping) start(process int) bool {
	m.args[1] = decimal(process)
	pid, errno := call(unix.SYS_CLONE, uintptr(unix.SIGCHLD), 0, 0, 0)
	if errno != 0 {
		return false
	}
	if pid != 0 {
		m.pid = int(pid)
		return true
	}
	call(unix.SYS_CLOSE, uintptr(gate[1]), 0, 0, 0)
	call(unix.SYS_SETPRIORITY, unix.PRIO_PROCESS, 0, 5, 0)
	if n, _ := call(unix.SYS_READ, uintptr(gate[0]), uintptr(unsafe.Pointer(&byteRead)), 1, 0); n == 1 {
		for fd := range uintptr(3) {
			call(unix.SYS_DUP3, uintptr(m.output[1]), fd, 0, 0)
		}
		call(unix.SYS_EXECVE, m.tool.pointer(), uintptr(unsafe.Pointer(&m.args)), uintptr(unsafe.Pointer(&toolEnv)), 0)
	}
	for {
		call(unix.SYS_EXIT_GROUP, 127, 0, 0, 0)
	}
}

// reap waits for a tool that was started in vain.
//
//go:nosplit
func (m *mapping) reap() {
	for m.pid != 0 {
		if _, errno := call(unix.SYS_WAIT4, uintptr(m.pid), 0, 0, 0); errno != unix.EINTR {
			m.pid = 0
		}
	}
}

// userName looks the user's name up in /etc/passwd; it is empty when it is not there.
//
//go:nosplit
func userName() bool {
	content, ok := slurp("/etc/passwd")
	for line := ""; content != ""; {
		line, content = cut(content, '\n')
		name, rest := cut(line, ':')
		_, rest = cut(rest, ':')
		if id, more := cut(rest, ':'); more != "" && id == ownUID {
			return user.set(name, "", "")
		}
	}
	return ok
}

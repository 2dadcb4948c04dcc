// Package procps shows processes as ps(1) does, from /proc alone: no program of the host or of an image takes part.
package procps

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"strings"
	"time"
)

// hertz is USER_HZ, the unit of times in /proc: 100 on every architecture that Go has.
const hertz = 100

// Process is one process. Ids are as the caller's namespaces show them.
type Process struct {
	Pid, Parent, Group, Session int
	UID, RUID, GID, RGID        uint32 // effective and real
	State                       byte
	Comm                        string   // the program's name, at most 15 bytes
	Args                        []string // empty for a kernel thread and a zombie
	TTY                         int      // device number; 0: none
	Flags                       uint64
	Priority, Nice, Threads     int
	CPU                         time.Duration // user and system
	Start                       time.Time
	Virtual, Resident           uint64 // bytes
	CPUNumber                   int
	Foreground                  int // process group in the foreground of the terminal
}

// Read reads one process; os.ErrNotExist when it has ended.
func Read(pid int) (*Process, error) {
	dir := "/proc/" + strconv.Itoa(pid) + "/"
	data, err := os.ReadFile(dir + "stat")
	if err != nil {
		return nil, ended(err)
	}
	p, err := parseStat(string(data))
	if err != nil {
		return nil, err
	}
	status, err := os.ReadFile(dir + "status")
	if err != nil {
		return nil, ended(err)
	}
	p.ids(string(status))
	line, err := os.ReadFile(dir + "cmdline")
	if err != nil {
		return nil, ended(err)
	}
	if text := strings.TrimRight(string(line), "\x00"); text != "" {
		p.Args = strings.Split(text, "\x00")
	}
	return p, nil
}

// ended makes ESRCH, which a file of a process gives that ended after it was opened, what opening it would have given.
func ended(err error) error {
	if strings.HasSuffix(err.Error(), "no such process") {
		return os.ErrNotExist
	}
	return err
}

var errMalformed = errors.New("malformed /proc/PID/stat")

// parseStat reads proc_pid_stat(5). The second field is the program's name in parentheses, which may hold anything.
func parseStat(line string) (*Process, error) {
	open, end := strings.IndexByte(line, '('), strings.LastIndex(line, ") ")
	if open < 0 || end < open {
		return nil, errMalformed
	}
	f := strings.Fields(line[end+2:])
	if len(f) < 37 {
		return nil, errMalformed
	}
	var bad error
	number := func(field int) int64 { // numbered as in the manual, from 1
		n, err := strconv.ParseInt(f[field-3], 10, 64)
		if err != nil && !errors.Is(err, strconv.ErrRange) {
			bad = errMalformed
		}
		return n
	}
	pid, err := strconv.Atoi(strings.TrimSpace(line[:open]))
	if err != nil {
		return nil, errMalformed
	}
	p := &Process{
		Pid: pid, Comm: line[open+1 : end], State: f[0][0],
		Parent: int(number(4)), Group: int(number(5)), Session: int(number(6)), TTY: int(number(7)), Foreground: int(number(8)),
		Flags:    uint64(number(9)),
		CPU:      time.Duration(number(14)+number(15)) * time.Second / hertz,
		Priority: int(number(18)), Nice: int(number(19)), Threads: int(number(20)),
		Start:   bootTime().Add(time.Duration(number(22)) * time.Second / hertz),
		Virtual: uint64(number(23)), Resident: uint64(number(24)) * uint64(os.Getpagesize()),
		CPUNumber: int(number(39)),
	}
	return p, bad
}

// ids reads the lines Uid and Gid of proc_pid_status(5).
func (p *Process) ids(status string) {
	for line := range strings.Lines(status) {
		key, rest, _ := strings.Cut(line, ":")
		if key == "Uid" {
			fmt.Sscan(rest, &p.RUID, &p.UID)
		}
		if key == "Gid" {
			fmt.Sscan(rest, &p.RGID, &p.GID)
		}
	}
}

// bootTime is when the machine was started, by proc_stat(5).
func bootTime() time.Time {
	data, err := os.ReadFile("/proc/stat")
	if err != nil {
		return time.Time{}
	}
	_, rest, _ := strings.Cut(string(data), "\nbtime ")
	line, _, _ := strings.Cut(rest, "\n")
	seconds, err := strconv.ParseInt(line, 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.Unix(seconds, 0)
}

// Tree lists the processes of a container that has no group to list them: its first process with its descendants, and, when it has a pid
// namespace of its own, the others in that with theirs, which `exec` has brought there.
func Tree(first int, ownNamespace bool) ([]int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	space := ""
	if ownNamespace {
		if space, err = namespace(first); err != nil {
			return nil, ended(err)
		}
	}
	children, roots := map[int][]int{}, []int{first}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		data, err := os.ReadFile("/proc/" + e.Name() + "/stat")
		if err != nil {
			continue
		}
		p, err := parseStat(string(data))
		if err != nil {
			continue
		}
		children[p.Parent] = append(children[p.Parent], pid)
		if ns, err := namespace(pid); ownNamespace && err == nil && ns == space {
			roots = append(roots, pid)
		}
	}
	return descend(roots, children), nil
}

func namespace(pid int) (string, error) {
	return os.Readlink("/proc/" + strconv.Itoa(pid) + "/ns/pid")
}

// descend lists the roots and all below them, each once.
func descend(roots []int, children map[int][]int) []int {
	var list []int
	seen := map[int]bool{}
	for len(roots) > 0 {
		pid := roots[0]
		roots = roots[1:]
		if seen[pid] {
			continue
		}
		seen[pid] = true
		list = append(list, pid)
		roots = append(roots, children[pid]...)
	}
	return list
}

// userName is a user's name on this machine, or the number.
func userName(uid uint32) string {
	id := strconv.FormatUint(uint64(uid), 10)
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return id
}

func groupName(gid uint32) string {
	id := strconv.FormatUint(uint64(gid), 10)
	if g, err := user.LookupGroupId(id); err == nil {
		return g.Name
	}
	return id
}

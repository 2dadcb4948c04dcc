package runtime

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// Ref names a process across commands and reboots: a pid alone may be another process's by now.
type Ref struct {
	Pid       int    `json:"pid"`
	StartTime uint64 `json:"startTime"` // clock ticks since boot
	BootID    string `json:"bootId"`    // /proc/sys/kernel/random/boot_id
}

// Ref gives the name of the process to be stored.
func (p *Process) Ref() Ref { return Ref{p.Pid, p.StartTime, BootID()} }

// Signal sends a signal to the process, by pidfd where the kernel has it.
func (p *Process) Signal(sig syscall.Signal) error {
	if p.Pidfd == nil {
		return syscall.Kill(p.Pid, sig)
	}
	return unix.PidfdSendSignal(int(p.Pidfd.Fd()), sig, nil, 0)
}

// Alive says whether the named process runs; a zombie does not.
func (r Ref) Alive() bool {
	if r.Pid <= 0 || r.BootID != BootID() {
		return false
	}
	st, err := readStat(r.Pid)
	return err == nil && st.start == r.StartTime && !st.dead()
}

// Open gives a pidfd of the named process, or ESRCH when it has ended.
func (r Ref) Open() (*os.File, error) {
	if !r.Alive() {
		return nil, unix.ESRCH
	}
	fd, err := unix.PidfdOpen(r.Pid, 0)
	if err != nil {
		return nil, fmt.Errorf("pidfd of %d: %w", r.Pid, err)
	}
	f := os.NewFile(uintptr(fd), "pidfd")
	if !r.Alive() { // it ended, and another got its pid, before the pidfd was opened
		f.Close()
		return nil, unix.ESRCH
	}
	return f, nil
}

// Signal sends a signal to the named process, or gives ESRCH when it has ended.
func (r Ref) Signal(sig syscall.Signal) error {
	f, err := r.Open()
	if err != nil {
		return err
	}
	defer f.Close()
	return unix.PidfdSendSignal(int(f.Fd()), sig, nil, 0)
}

// BootID is this boot's id, "" where there is no /proc.
var BootID = sync.OnceValue(func() string {
	data, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(data))
})

// stat is what is needed of proc_pid_stat(5).
type stat struct {
	state byte
	start uint64
}

func (s stat) dead() bool { return s.state == 'Z' || s.state == 'X' }

var errBadStat = errors.New("malformed /proc/PID/stat")

func readStat(pid int) (stat, error) {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return stat{}, err
	}
	return parseStat(string(data))
}

// parseStat reads the third and the 22nd field. The second is the program's name in parentheses, which may hold anything, parentheses too.
func parseStat(line string) (stat, error) {
	_, rest, ok := cutLast(line, ") ")
	fields := strings.Fields(rest)
	const state, start = 0, 19
	if !ok || len(fields) <= start {
		return stat{}, errBadStat
	}
	n, err := strconv.ParseUint(fields[start], 10, 64)
	if err != nil {
		return stat{}, errBadStat
	}
	return stat{fields[state][0], n}, nil
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

func startTime(pid int) (uint64, error) {
	st, err := readStat(pid)
	if err != nil {
		return 0, fmt.Errorf("start time of process %d: %w", pid, err)
	}
	return st.start, nil
}

package wake

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Shrink gives back the memory that a process does not need while it waits. Most of it is the program itself: at start the Go runtime looks
// at tables all over the file, and the kernel maps 64 KiB around each page. These pages are the file's own and come back when they are
// used. That it fails costs memory and nothing else.
func Shrink() {
	data, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return
	}
	exe, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	for line := range strings.Lines(string(data)) {
		if start, size, ok := programMapping(line, exe); ok {
			unix.Syscall(unix.SYS_MADVISE, start, size, unix.MADV_RANDOM)
			unix.Syscall(unix.SYS_MADVISE, start, size, unix.MADV_DONTNEED)
		}
	}
}

// settling is how long a process goes on touching new pages after it has begun to wait.
const settling = time.Second

// ShrinkSoon is Shrink, now and when the process has settled.
func ShrinkSoon() {
	Shrink()
	time.AfterFunc(settling, Shrink)
}

// programMapping reads a line of proc_pid_maps(5). It says whether it is a mapping of the program's file that is never written, so that
// dropping its pages loses nothing.
func programMapping(line, exe string) (start, size uintptr, ok bool) {
	words := strings.Fields(line)
	if len(words) < 6 || !strings.HasSuffix(strings.TrimSpace(line), exe) || strings.Contains(words[1], "w") {
		return 0, 0, false
	}
	from, to, _ := strings.Cut(words[0], "-")
	first, err1 := strconv.ParseUint(from, 16, 64)
	last, err2 := strconv.ParseUint(to, 16, 64)
	if err1 != nil || err2 != nil || last < first {
		return 0, 0, false
	}
	return uintptr(first), uintptr(last - first), true
}

// smallRuntime are the settings of the Go runtime of a process such as a monitor. It waits nearly always: one P keeps it small. What it holds meanwhile is a few kilobytes
// that never become garbage, so the collector, which would touch all of the program's data every two minutes, runs
// only when clients make it work. (Package runtime/debug, which sets the same, is initialised too late; see engine/role.)
var smallRuntime = []string{"GOMAXPROCS=1", "GOGC=off", "GOMEMLIMIT=16MiB"}

// SmallRuntime is the environment by which a process that waits nearly always stays small.
func SmallRuntime() []string { return slices.Clone(smallRuntime) }

package monitor

import (
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// shrink gives back the memory that a monitor does not need while it waits. Most of it is the program itself: at start the Go runtime looks
// at tables all over the file, and the kernel maps 64 KiB around each page. These pages are the file's own and come back when they are
// used, from now on one by one. It is done when the container runs; that it fails costs memory and nothing else.
func shrink() {
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

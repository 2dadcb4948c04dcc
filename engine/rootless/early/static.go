package early

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Memory that is there from the start, for the one thread.
var (
	words    [256]string // the command line
	path     static      // of pathTo
	user     static      // the user's name
	file     [1 << 16]byte
	digits   [1024]byte // of decimal
	used     int        // of digits
	stat     unix.Stat_t
	query    unix.Flock_t
	byteRead [8]byte
	ownUID   string // the user's uid in digits
	toolPath = [...]byte{'P', 'A', 'T', 'H', '=', '/', 'u', 's', 'r', '/', 's', 'b', 'i', 'n', ':', '/', 'u', 's', 'r', '/', 'b', 'i', 'n', ':',
		'/', 's', 'b', 'i', 'n', ':', '/', 'b', 'i', 'n', 0}
	// toolEnv is the tools' environment, which is not ours: they have more rights than we (CVE-2025-23266 is what comes of handing one's own on).
	toolEnv = [...]*byte{&toolPath[0], nil}
)

// at is AT_FDCWD as the kernel takes it.
const at = ^uintptr(99)

// static is a text in static memory.
type static struct {
	bytes [4096]byte
	n     int
	full  bool
}

// set makes it the texts, one after the other. Only the last may come from slurp.
//
//go:nosplit
func (s *static) set(a, b, c string) bool {
	s.n, s.full = 0, false
	s.add(a)
	s.add(b)
	s.add(c)
	return !s.full
}

//go:nosplit
func (s *static) add(text string) {
	for i := range len(text) {
		if s.n == len(s.bytes)-1 {
			s.full = true
			break
		}
		s.bytes[s.n] = text[i]
		s.n++
	}
	s.bytes[s.n] = 0
}

//go:nosplit
func (s *static) text() string { return unsafe.String(&s.bytes[0], s.n) }

// pointer is what system calls take.
//
//go:nosplit
func (s *static) pointer() uintptr { return uintptr(unsafe.Pointer(&s.bytes)) }

//go:nosplit
func call(number, a, b, c, d uintptr) (uintptr, syscall.Errno) {
	r, _, errno := syscall.RawSyscall6(number, a, b, c, d, 0, 0)
	return r, errno
}

// id gives what a system call without arguments gives.
//
//go:nosplit
func id(number uintptr) int {
	r, _ := call(number, 0, 0, 0, 0)
	return int(r)
}

// slurp reads a small file. The text is good until the next one is read.
//
//go:nosplit
func slurp(name string) (content string, ok bool) {
	path.set(name, "", "")
	fd, errno := call(unix.SYS_OPENAT, at, path.pointer(), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if errno != 0 {
		return "", false
	}
	n := 0
	for {
		got, errno := call(unix.SYS_READ, fd, uintptr(unsafe.Pointer(&file))+uintptr(n), uintptr(len(file)-n), 0)
		if errno == unix.EINTR {
			continue
		}
		if ok = errno == 0 && got == 0 && n < len(file); errno != 0 || got == 0 {
			break
		}
		n += int(got)
	}
	call(unix.SYS_CLOSE, fd, 0, 0, 0)
	return unsafe.String(&file[0], n), ok
}

// pipe makes a pipe; false when it would take the place of standard input or output.
//
//go:nosplit
func pipe(p *[2]int32) bool {
	p[0], p[1] = -1, -1
	_, errno := call(unix.SYS_PIPE2, uintptr(unsafe.Pointer(p)), unix.O_CLOEXEC, 0, 0)
	return errno == 0 && p[0] > 2 && p[1] > 2
}

//go:nosplit
func closeEnd(fd *int32) {
	if *fd >= 0 {
		call(unix.SYS_CLOSE, uintptr(*fd), 0, 0, 0)
		*fd = -1
	}
}

// text is a string that ends with a zero byte.
//
//go:nosplit
func text(p *byte) string {
	n := 0
	for *(*byte)(unsafe.Add(unsafe.Pointer(p), n)) != 0 {
		n++
	}
	return unsafe.String(p, n)
}

// getenv finds a variable; "" when it is not there.
//
//go:nosplit
func getenv(env **byte, name string) string {
	for ; *env != nil; env = (**byte)(unsafe.Add(unsafe.Pointer(env), unsafe.Sizeof(*env))) {
		if key, value := cut(text(*env), '='); key == name {
			return value
		}
	}
	return ""
}

// cut gives what is before the first separator and what is behind it.
//
//go:nosplit
func cut(s string, separator byte) (before, after string) {
	for i := range len(s) {
		if s[i] == separator {
			return s[:i], s[i+1:]
		}
	}
	return s, ""
}

// trim takes the spaces off both ends.
//
//go:nosplit
func trim(s string) string {
	for len(s) > 0 && (s[0] == ' ' || s[0] == '\t' || s[0] == '\r') {
		s = s[1:]
	}
	for len(s) > 0 && (s[len(s)-1] == ' ' || s[len(s)-1] == '\t' || s[len(s)-1] == '\r') {
		s = s[:len(s)-1]
	}
	return s
}

// number reads a number of at most ten digits.
//
//go:nosplit
func number(s string) (n int, ok bool) {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = 10*n + int(s[i]-'0')
	}
	return n, len(s) > 0 && len(s) <= 10
}

// decimal writes a number as a string that ends with a zero byte.
//
//go:nosplit
func decimal(n int) *byte {
	size := 1
	for rest := n; rest >= 10; rest /= 10 {
		size++
	}
	if used+size >= len(digits) {
		used = 0 // never: digits holds twice what two tools can need
	}
	start := used
	for i := start + size - 1; i >= start; i-- {
		digits[i] = byte('0' + n%10)
		n /= 10
	}
	digits[start+size] = 0
	used = start + size + 1
	return &digits[start]
}

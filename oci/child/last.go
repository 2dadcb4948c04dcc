package child

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"codeberg.org/hoy/hoy/oci/child/wire"
	"codeberg.org/hoy/hoy/oci/nsenter/nofile"
	"codeberg.org/hoy/hoy/oci/nsenter/raw"
	"golang.org/x/sys/unix"
)

// Last is the end of a birth and of an exec: what a process drops, becomes and executes. Both append the same calls to a script.
type Last struct {
	IDs             IDs
	Home            string // HOME, where Env has none
	Caps            Caps
	Rlimits         []Rlimit
	Umask           *uint32 // nil: 0022
	Cwd             string  // "": /
	NoNewPrivileges bool
	Seccomp         []byte
	SeccompFlags    uint
	Args, Env       []string
	// NoGroups leaves the supplementary groups alone: it is asked for, or the user namespace has one id only (user_namespaces(7)).
	NoGroups bool
	KeepFDs  int // 3 … 3+KeepFDs-1 stay open
	// Keep are further descriptors that stay open until execve closes them: what a failure is reported by.
	Keep           []int
	KillWithParent bool
	ParentSocket   int // closed at its other end when the parent is dead, which gets the filter's listener; used with KillWithParent and Notifies
}

// Notifies says whether the filter has a listener, whom it notifies of calls.
func (l *Last) Notifies() bool { return l.SeccompFlags&unix.SECCOMP_FILTER_FLAG_NEW_LISTENER != 0 }

// The names of the last steps, in errors.
const (
	stepFDs     = "descriptors"
	stepLimits  = "limits"
	stepSeccomp = "seccomp"
	stepNNP     = "no_new_privs"
	stepUser    = "user"
	stepCaps    = "capabilities"
	stepParent  = "parent"
)

// Drop appends what takes privileges away. Afterwards the process is the user with the capabilities that it shall have. In an exec all of
// it happens outside of the container's pid namespace, where no process of the container can see it yet (CVE-2016-9962).
func (l *Last) Drop(s *raw.Script) {
	l.closeRest(s) // before chdir: a working directory of /proc/self/fd/N must find nothing (CVE-2024-21626)
	s.Label(stepLimits, "")
	umask := uint32(0o022)
	if l.Umask != nil {
		umask = *l.Umask
	}
	s.Call(unix.SYS_UMASK, uintptr(umask))
	l.limits(s)
	if !l.NoNewPrivileges {
		l.seccomp(s) // needs CAP_SYS_ADMIN, or no_new_privs
	}
	cwd := l.chdir(s)
	l.bounding(s)
	l.identity(s)
	l.capabilities(s)
	if l.NoNewPrivileges {
		s.Label(stepNNP, "")
		s.Call(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1)
	}
	s.Label(StepCwd, l.cwd())
	s.Call(unix.SYS_CHDIR, s.String(l.cwd())) // as the user, where root was refused (NFS, FUSE)
	s.Unless(cwd)
	s.CheckCwd()
}

// Execute appends the rest: what only the final process can do for itself.
func (l *Last) Execute(s *raw.Script) {
	s.ResetSignals()
	l.parent(s)
	if l.NoNewPrivileges {
		l.seccomp(s) // as late as possible: the fewest calls have to be allowed
	}
	candidates := Candidates(l.Args[0], l.Env)
	env := WithHome(l.Env, l.Home)
	s.Label(StepExec, strconv.Quote(l.Args[0]))
	if strings.Contains(l.Args[0], "/") {
		s.Exec(candidates[0], l.Args, env)
		return
	}
	s.Search(candidates, l.Args, env)
}

// closeRest closes every descriptor that is not the process's own.
func (l *Last) closeRest(s *raw.Script) {
	s.Label(stepFDs, "")
	keep := slices.Sorted(slices.Values(l.Keep))
	first := 3 + l.KeepFDs
	for _, fd := range keep {
		if fd > first {
			s.Call(unix.SYS_CLOSE_RANGE, uintptr(first), uintptr(fd-1), 0)
		}
		first = max(first, fd+1)
	}
	s.Call(unix.SYS_CLOSE_RANGE, uintptr(first), 1<<32-1, 0)
}

// limits sets the resource limits, and the number of open files back to what it was before Go raised it.
func (l *Last) limits(s *raw.Script) {
	asked := false
	for _, r := range l.Rlimits {
		asked = asked || r.Resource == unix.RLIMIT_NOFILE
		s.Label(stepLimits, limitName(r.Resource))
		s.Call(unix.SYS_PRLIMIT64, 0, uintptr(r.Resource), s.Longs(r.Soft, r.Hard), 0)
	}
	if o := nofile.Original; !asked && o != (nofile.Limit{}) {
		s.Label(stepLimits, "nofile")
		s.Call(unix.SYS_PRLIMIT64, 0, unix.RLIMIT_NOFILE, s.Longs(o.Soft, o.Hard), 0)
	}
}

// limitNames are the names of getrlimit(2)'s resources, by number.
var limitNames = [...]string{"cpu", "fsize", "data", "stack", "core", "rss", "nproc", "nofile", "memlock", "as", "locks",
	"sigpending", "msgqueue", "nice", "rtprio", "rttime"}

func limitName(n int) string {
	if n >= 0 && n < len(limitNames) {
		return limitNames[n]
	}
	return strconv.Itoa(n)
}

func (l *Last) seccomp(s *raw.Script) {
	if len(l.Seccomp) == 0 {
		return
	}
	const setModeFilter = 1
	s.Label(stepSeccomp, "")
	s.Call(unix.SYS_SECCOMP, setModeFilter, uintptr(l.SeccompFlags), s.Filter(l.Seccomp))
	if l.Notifies() {
		s.SendFD(l.ParentSocket, wire.Bare(wire.Notify)) // at once: the next call may wait for the listener
	}
}

func (l *Last) cwd() string {
	if l.Cwd == "" {
		return "/"
	}
	return l.Cwd
}

// chdir enters the working directory with root's rights, as Docker does: a user need not be able to reach it.
func (l *Last) chdir(s *raw.Script) raw.Result {
	s.Label(StepCwd, l.cwd())
	return s.MayFail(unix.SYS_CHDIR, s.String(l.cwd()))
}

// bounding drops the capabilities that no program in the container may ever get. It asks the kernel only which ones there are: who joins
// a user namespace starts in it with all of them.
func (l *Last) bounding(s *raw.Script) {
	s.Label(stepCaps, "bounding")
	for c := range 64 {
		if _, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, uintptr(c), 0, 0, 0); err != nil {
			return // the kernel knows no more
		}
		if l.Caps.Bounding>>c&1 == 0 {
			s.Call(unix.SYS_PRCTL, unix.PR_CAPBSET_DROP, uintptr(c))
		}
	}
}

// identity changes the ids. Capabilities are kept over it, and set right after.
func (l *Last) identity(s *raw.Script) {
	s.Label(stepUser, fmt.Sprintf("%d:%d", l.IDs.UID, l.IDs.GID))
	s.Call(unix.SYS_PRCTL, unix.PR_SET_KEEPCAPS, 1)
	if !l.NoGroups {
		s.Call(sysSetgroups, uintptr(len(l.IDs.Groups)), s.Words(l.IDs.Groups))
	}
	gid, uid := uintptr(l.IDs.GID), uintptr(l.IDs.UID)
	s.Call(sysSetresgid, gid, gid, gid)
	s.Call(sysSetresuid, uid, uid, uid)
	s.Call(unix.SYS_PRCTL, unix.PR_SET_KEEPCAPS, 0)
}

// capabilities sets the sets. A user other than root gets effective and permitted ones only by ambient ones, as execve would have it;
// inheritable ones are empty unless asked for, or a file with capabilities would give them to any user (CVE-2022-24769).
func (l *Last) capabilities(s *raw.Script) {
	c := l.Caps
	if l.IDs.UID != 0 {
		c.Effective, c.Permitted = c.Ambient, c.Ambient
	}
	s.Label(stepCaps, "")
	header := s.Words([]uint32{unix.LINUX_CAPABILITY_VERSION_3, 0})
	s.Call(unix.SYS_CAPSET, header, s.Words([]uint32{
		uint32(c.Effective), uint32(c.Permitted), uint32(c.Inheritable),
		uint32(c.Effective >> 32), uint32(c.Permitted >> 32), uint32(c.Inheritable >> 32),
	}))
	s.Label(stepCaps, "ambient")
	s.Call(unix.SYS_PRCTL, unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
	for b := range 64 {
		if c.Ambient>>b&1 != 0 {
			s.Call(unix.SYS_PRCTL, unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_RAISE, uintptr(b), 0, 0)
		}
	}
}

// parent asks for PDEATHSIG again, which the change of ids took back, and looks whether the parent died in between.
func (l *Last) parent(s *raw.Script) {
	if !l.KillWithParent {
		return
	}
	s.Label(stepParent, "")
	s.Call(unix.SYS_PRCTL, unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL))
	s.ExitIfClosed(l.ParentSocket)
}

package rootless

import (
	"errors"
	"fmt"
	"os"
	"path"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"codeberg.org/hoy/hoy/netns/hold"
	"codeberg.org/hoy/hoy/oci/nsenter/raw"
)

// Elsewhere says that what a call needs (another container's namespace, the user's networks) belongs to another user namespace of this user's, that of
// the process. The call has to be made from there (Again).
type Elsewhere struct {
	Pid  int
	What string
}

func (e *Elsewhere) Error() string {
	return e.What + " is in a user namespace that this call cannot join"
}

// maxTries is how often the outer half starts over: each time another call has made the user's networks meanwhile.
const maxTries = 5

// call is how the inner half is to be made.
type call struct {
	files []*os.File // of Inside
	tell  *os.File   // the pipe by which the inner half says Again
	tries int        // how often one has said it
	join  int        // the process whose user namespace one has asked for; 0: none
}

// newCall reads what an earlier try has left in the environment, and takes it out. again is the other end of tell.
func newCall(files []*os.File) (c *call, again *os.File, err error) {
	c = &call{files: files}
	if _, said, ok := strings.Cut(os.Getenv(envAgain), ";"); ok {
		tries, pid, _ := strings.Cut(said, ",")
		c.tries, _ = strconv.Atoi(tries) // whatever else it says is the first try
		c.join, _ = strconv.Atoi(pid)
	}
	os.Unsetenv(envAgain)
	again, c.tell, err = os.Pipe()
	return c, again, err
}

// begin makes the inner half: in the user namespace that is asked for, else in that of the user's networks as long as somebody keeps them, for nobody
// can put a link into the namespace of another, else in a new one. All have the same id map.
func (c *call) begin() (in *inner, joined bool, err error) {
	pid := c.join
	if state, there := hold.In(runDir(os.Args[1:])).Current(); pid == 0 && there {
		pid = state.Pid
	}
	if pid != 0 {
		in, err = c.joinInner(pid)
		if err == nil || c.join != 0 {
			return in, true, err
		} // the holder has ended since
	}
	in, err = c.forkInner()
	return in, false, err
}

// joinInner forks as forkInner does, into the user namespace of a process.
func (c *call) joinInner(pid int) (*inner, error) {
	ns, err := UsernsOf(pid)
	if err == nil && ns == nil {
		err = errors.New("the process has none of its own")
	}
	if err != nil {
		return nil, err
	}
	defer ns.Close()
	return c.fork(0, func(s *raw.Script) {
		s.Label("join the user namespace", "")
		s.Call(unix.SYS_SETNS, ns.Fd(), unix.CLONE_NEWUSER)
		s.Call(unix.SYS_UNSHARE, unix.CLONE_NEWNS)
	})
}

// finish waits for the inner half, and gives its exit code. When it has said Again, everything starts over.
func (in *inner) finish(again *os.File) int {
	code := in.wait()
	var said [64]byte
	fd := int(again.Fd())
	unix.SetNonblock(fd, true)
	if n, _ := unix.Read(fd, said[:]); n > 0 {
		env := append(os.Environ(), envAgain+"=;"+string(said[:n]))
		err := syscall.Exec(selfExe, os.Args, env)
		return refuse(fmt.Errorf("start over: %w", err))
	}
	return code
}

// againPipe is the pipe to the outer half, when this process is the inner half itself, and how often one has started over.
func againPipe() (fd, tries int, ok bool) {
	number, rest, _ := strings.Cut(os.Getenv(envAgain), ",")
	inode, count, _ := strings.Cut(rest, ";")
	fd, err := strconv.Atoi(number)
	tries, countErr := strconv.Atoi(count)
	var st unix.Stat_t
	if err != nil || countErr != nil || !InUserns() || unix.Fstat(fd, &st) != nil {
		return 0, 0, false
	}
	return fd, tries, strconv.FormatUint(st.Ino, 10) == inode
}

// Again has the outer half start over, in the user namespace of a process, when this process ends, which must not have changed anything. false: it
// has done so too often, or this is no inner half.
func Again(pid int) bool {
	fd, tries, ok := againPipe()
	if !ok || tries >= maxTries {
		return false
	}
	said := strconv.Itoa(tries+1) + "," + strconv.Itoa(pid)
	n, _ := unix.Write(fd, []byte(said))
	return n == len(said)
}

// Within says whether a process is in this process's user namespace, or in one below it.
func Within(pid int) bool {
	ns, err := UsernsOf(pid)
	if err == nil && ns != nil {
		ns.Close()
	}
	return err == nil
}

// runDir is the user's directory of what does not outlive a boot: --run, HOY_RUN, or hoy in XDG_RUNTIME_DIR, else below /tmp.
func runDir(args []string) string {
	if dir := globalValue(args, "--run"); dir != "" {
		return dir
	}
	if dir := os.Getenv("HOY_RUN"); dir != "" {
		return dir
	}
	if dir := os.Getenv("XDG_RUNTIME_DIR"); strings.HasPrefix(dir, "/") {
		return path.Join(dir, "hoy")
	}
	return "/tmp/hoy-run-" + strconv.Itoa(os.Geteuid())
}

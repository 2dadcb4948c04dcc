package rootless

import (
	"errors"
	"fmt"
	"os"
	"path"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"codeberg.org/hoy/hoy/engine/rootless/early"
	"codeberg.org/hoy/hoy/oci/nsenter/nofile"
	"codeberg.org/hoy/hoy/oci/nsenter/raw"
	"golang.org/x/sys/unix"
)

// engineError is Docker's exit code for what went wrong before there was a container.
const engineError = 125

// Enter is the outer half of a rootless call. It returns when the call needs no user namespace, or is in it already (then its ids may not be mapped yet:
// Await); otherwise it runs hoy again inside a new one, passes signals and the exit status on, and never returns.
func Enter() {
	if early.Begun.Inside {
		resume(early.Begun)
		return
	}
	if os.Geteuid() != 0 && NeedsUserns(os.Args[1:]) {
		os.Exit(outer(nil, mapIDs))
	}
	if fd, _, ok := againPipe(); ok {
		unix.CloseOnExec(fd) // what the inner half starts is none
	}
}

// Inside runs hoy again with the same command line, in a new user namespace, and gives its exit code: for a command that finds out only while it runs
// that it needs one. The inner half gets the open files under the same numbers; InsideFile finds one of them.
func Inside(files ...*os.File) int {
	runtime.LockOSThread() // the inner half dies with the thread that forked it
	return outer(files, mapIDs)
}

// InsideFile is the file with that number among those that Inside gave to this process, or nil.
func InsideFile(n int) *os.File {
	numbers := strings.Split(os.Getenv(envFiles), ",")
	if n >= len(numbers) || !InUserns() {
		return nil
	}
	fd, err := strconv.Atoi(numbers[n])
	if err != nil {
		return nil
	}
	unix.CloseOnExec(fd)
	return os.NewFile(uintptr(fd), "inherited")
}

func outer(files []*os.File, mapIDs func(pid int) error) int {
	signals := catch() // before there is anything that a signal could leave alone
	c, again, err := newCall(files)
	if err != nil {
		return refuse(err)
	}
	in, joined, err := c.begin()
	c.tell.Close()
	if err != nil && c.join != 0 {
		fmt.Fprintf(os.Stderr, "hoy: join the user namespace of process %d: %v\n", c.join, err)
		return engineError
	}
	if err != nil {
		return refuse(err)
	}
	if !joined {
		err = mapIDs(in.Pid)
	}
	if err != nil {
		in.gate.Close() // the child ends
		syscall.Wait4(in.Pid, nil, 0, nil)
		if sig := ending(signals); sig != 0 { // it ended newuidmap too
			return 128 + int(sig)
		}
		return refuse(err)
	}
	in.gate.Write([]byte{1})
	in.gate.Close()
	forward(signals, in.Pid)
	return in.finish(again)
}

// inner is the inner half: a fork of this process in a new user and mount namespace, which executes hoy again when its ids are mapped.
type inner struct {
	*raw.Forked
	gate *os.File // a byte lets it go on; at its end it exits
}

// forkInner forks into a new user namespace.
func (c *call) forkInner() (*inner, error) {
	return c.fork(unix.CLONE_NEWUSER|unix.CLONE_NEWNS, func(*raw.Script) {})
}

// fork forks with the flags, and without an exec. In a new user namespace the child has to wait for its id map before it executes anything: until then
// it has no uid, and an execve would take the capabilities away that it got with the namespace (user_namespaces(7)).
//
// It dies with this process, at whatever moment that ends: PDEATHSIG is set before the wait, which ends with us too, and after enter, for a
// change of credentials takes it back (prctl(2)). Package role is initialised on the main thread, so the thread that the signal hangs on lives as
// long as the process.
func (c *call) fork(flags uintptr, enter func(*raw.Script)) (*inner, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("pipe: %w", err)
	}
	defer r.Close()
	var s raw.Script
	s.Label("prepare", "")
	s.Call(unix.SYS_CLOSE, w.Fd())
	enter(&s)
	s.Call(unix.SYS_PRCTL, unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL))
	if o := nofile.Original; o != (nofile.Limit{}) {
		s.Call(unix.SYS_PRLIMIT64, 0, unix.RLIMIT_NOFILE, s.Longs(o.Soft, o.Hard), 0)
	}
	env, err := c.env(&s)
	if err != nil {
		return nil, errors.Join(err, w.Close())
	}
	s.AwaitByte(int(r.Fd()))
	s.Label("execute", selfExe)
	s.Exec(selfExe, os.Args, env)
	f, err := s.Start(flags)
	if err != nil {
		w.Close()
		return nil, err
	}
	return &inner{f, w}, nil
}

// env is the environment of the inner half, which names the files that it inherits.
func (c *call) env(s *raw.Script) ([]string, error) {
	var pipe unix.Stat_t
	if err := unix.Fstat(int(c.tell.Fd()), &pipe); err != nil {
		return nil, err
	}
	s.Call(unix.SYS_FCNTL, c.tell.Fd(), unix.F_SETFD, 0)
	env := append(innerEnv(), fmt.Sprintf("%s=%d,%d;%d", envAgain, c.tell.Fd(), pipe.Ino, c.tries))
	if len(c.files) == 0 {
		return env, nil
	}
	var numbers []string
	for _, f := range c.files {
		s.Call(unix.SYS_FCNTL, f.Fd(), unix.F_SETFD, 0)
		numbers = append(numbers, strconv.Itoa(int(f.Fd())))
	}
	return append(env, envFiles+"="+strings.Join(numbers, ",")), nil
}

const selfExe = "/proc/self/exe"

// Env tells a process that is about to enter a user namespace of this user's, and containers/storage in it, whom it works for there.
func Env() []string { return envOf(UID(), GID()) }

func envOf(hostUID, hostGID int) []string {
	uid, gid := strconv.Itoa(hostUID), strconv.Itoa(hostGID)
	return []string{envUID + "=" + uid, envGID + "=" + gid,
		// containers/storage would otherwise make a user namespace of its own, with C that this program does not have.
		"_CONTAINERS_USERNS_CONFIGURED=done", "_CONTAINERS_ROOTLESS_UID=" + uid, "_CONTAINERS_ROOTLESS_GID=" + gid}
}

// innerEnv is the environment of the inner half.
func innerEnv() []string { return append(os.Environ(), Env()...) }

// wait gives the exit code of the inner half: its own, or 128 + the signal that ended it.
func (in *inner) wait() int {
	if out, err := in.Forked.Wait(); err != nil || out.Failure != nil {
		syscall.Wait4(in.Pid, nil, 0, nil)
		if err == nil {
			err = fmt.Errorf("%s %s: %w", out.Failure.Step, out.Failure.Path, out.Failure.Errno)
		}
		return refuse(err)
	}
	var ws syscall.WaitStatus
	for {
		_, err := syscall.Wait4(in.Pid, &ws, 0, nil)
		switch {
		case err == syscall.EINTR:
		case err != nil:
			fmt.Fprintf(os.Stderr, "hoy: wait: %v\n", err)
			return engineError
		case ws.Signaled():
			return 128 + int(ws.Signal())
		default:
			return ws.ExitStatus()
		}
	}
}

// mapIDs gives the namespace the user's own id as 0 and the subordinate ranges after it, or the own id alone where there are none.
func mapIDs(pid int) error {
	uid, gid := os.Geteuid(), os.Getegid()
	maps, missing := tools(uid, gid)
	if missing == nil {
		missing = mapRanges(pid, maps)
	}
	return orSingle(strconv.Itoa(pid), uid, gid, missing)
}

// orSingle maps the own id alone when something is missing for more, and says so.
func orSingle(process string, uid, gid int, missing error) error {
	if missing == nil {
		return nil
	}
	if err := mapSingle(process, uid, gid); err != nil {
		return fmt.Errorf("%w (and %v)", err, missing)
	}
	sayOnce(missing)
	return nil
}

// refuse prints why there is no user namespace, and how to get one.
func refuse(err error) int {
	fmt.Fprintf(os.Stderr, "hoy: user namespace: %v\n", err)
	for _, p := range refusals(err) {
		fmt.Fprintf(os.Stderr, "hint: %s: %s\n", p.What, p.Fix)
	}
	return engineError
}

// sayOnce prints what a single-id map lacks, once for a storage directory: a file in it remembers.
func sayOnce(missing error) {
	dir := rootDir(os.Args[1:])
	if os.MkdirAll(dir, 0o700) == nil {
		f, err := os.OpenFile(path.Join(dir, "single-id-said"), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if errors.Is(err, os.ErrExist) {
			return
		}
		f.Close()
	}
	fmt.Fprintf(os.Stderr, "hoy: containers have one user id only: %v\nhint: %s\n", missing, subidFix(missing))
}

// rootDir is the user's storage directory: --root, HOY_ROOT, or hoy in the user's data directory (XDG Base Directory Specification).
func rootDir(args []string) string {
	if dir := globalValue(args, "--root"); dir != "" {
		return dir
	}
	if dir := os.Getenv("HOY_ROOT"); dir != "" {
		return dir
	}
	if dir := os.Getenv("XDG_DATA_HOME"); strings.HasPrefix(dir, "/") {
		return path.Join(dir, "hoy")
	}
	return path.Join(os.Getenv("HOME"), ".local/share/hoy")
}

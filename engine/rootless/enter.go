package rootless

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// InnerRole is the argv[0] of the process that waits in the new user namespace for its id map, and then becomes hoy again.
const InnerRole = "hoy-userns"

// engineError is Docker's exit code for what went wrong before there was a container.
const engineError = 125

// Enter is the outer half of a rootless call. It returns when the call needs no user namespace, or is in it already; otherwise
// it runs hoy again inside a new one, passes signals and the exit status on, and never returns.
func Enter() {
	if os.Geteuid() == 0 {
		settle()
		return
	}
	if !NeedsUserns(os.Args[1:]) {
		return
	}
	os.Exit(outer())
}

// settle makes the inner half die with the outer one, and gives it /proc/self back: taking on capabilities in the execve
// after the map was written made the process undumpable and forgot its PDEATHSIG (credentials(7), prctl(2)).
func settle() {
	parent, err := strconv.Atoi(os.Getenv(envParent))
	if err != nil {
		return
	}
	os.Unsetenv(envParent)
	unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0)
	unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0)
	if os.Getppid() != parent {
		os.Exit(engineError)
	}
}

func outer() int {
	signals := catch() // before there is anything that a signal could leave alone
	cmd, ready, err := startInner()
	if err != nil {
		return refuse(err)
	}
	if err := mapIDs(cmd.Process.Pid); err != nil {
		cmd.Process.Kill()
		cmd.Wait()
		return refuse(err)
	}
	ready.Write([]byte{1})
	ready.Close()
	stop := forward(signals, cmd.Process)
	defer stop()
	return status(cmd.Wait())
}

// startInner clones this program into a new user and mount namespace, where it waits for a byte on the pipe that is returned.
// The pipe's number is an argument, not 3, so that descriptors which systemd or a shell handed over stay in place.
func startInner() (*exec.Cmd, *os.File, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, nil, fmt.Errorf("pipe: %w", err)
	}
	defer r.Close()
	unix.FcntlInt(r.Fd(), unix.F_SETFD, 0)
	cmd := &exec.Cmd{
		Path:   "/proc/self/exe",
		Args:   append([]string{InnerRole, strconv.Itoa(int(r.Fd()))}, os.Args...),
		Env:    innerEnv(),
		Stdin:  os.Stdin,
		Stdout: os.Stdout,
		Stderr: os.Stderr,
		// PDEATHSIG covers the time until settle sets it again.
		SysProcAttr: &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER | unix.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL},
	}
	if err := cmd.Start(); err != nil {
		w.Close()
		return nil, nil, err
	}
	return cmd, w, nil
}

func innerEnv() []string {
	uid, gid := strconv.Itoa(os.Geteuid()), strconv.Itoa(os.Getegid())
	return append(os.Environ(),
		envUID+"="+uid, envGID+"="+gid, envParent+"="+strconv.Itoa(os.Getpid()),
		// containers/storage would otherwise make a user namespace of its own, with C that this program does not have.
		"_CONTAINERS_USERNS_CONFIGURED=done", "_CONTAINERS_ROOTLESS_UID="+uid, "_CONTAINERS_ROOTLESS_GID="+gid)
}

// Inner is the role "hoy-userns": it waits until the ids are mapped and becomes hoy again, which gives it its capabilities
// (they were lost in the first execve, when it had no uid yet).
func Inner() {
	fd, err := strconv.Atoi(os.Args[1])
	if err != nil {
		os.Exit(engineError)
	}
	if n, _ := unix.Read(fd, make([]byte, 1)); n != 1 {
		os.Exit(engineError) // the outer half is gone, or could not map: it has said so
	}
	unix.Close(fd)
	syscall.Exec("/proc/self/exe", os.Args[2:], os.Environ())
	os.Exit(engineError)
}

// mapIDs gives the namespace the user's own id as 0 and the subordinate ranges after it, or the own id alone where there are none.
func mapIDs(pid int) error {
	uid, gid := os.Geteuid(), os.Getegid()
	maps, missing := tools(uid, gid)
	if missing == nil {
		if missing = mapRanges(pid, maps); missing == nil {
			return nil
		}
	}
	if err := mapSingle(pid, uid, gid); err != nil {
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

func status(err error) int {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case !errors.As(err, &exit):
		fmt.Fprintf(os.Stderr, "hoy: wait: %v\n", err)
		return engineError
	}
	if ws := exit.Sys().(syscall.WaitStatus); ws.Signaled() {
		return 128 + int(ws.Signal())
	}
	return exit.ExitCode()
}

// sayOnce prints what a single-id map lacks, once a boot: the marker lies where nothing outlives one.
func sayOnce(missing error) {
	dir := markerDir()
	if os.MkdirAll(dir, 0o700) == nil {
		f, err := os.OpenFile(dir+"/single-id-said", os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if errors.Is(err, os.ErrExist) {
			return
		}
		f.Close()
	}
	fmt.Fprintf(os.Stderr, "hoy: containers have one user id only: %v\nhint: %s\n", missing, subidFix(missing))
}

func markerDir() string {
	if dir := os.Getenv("HOY_RUN"); dir != "" {
		return dir
	}
	if dir := os.Getenv("XDG_RUNTIME_DIR"); strings.HasPrefix(dir, "/") {
		return dir + "/hoy"
	}
	return "/tmp/hoy-run-" + strconv.Itoa(os.Geteuid())
}

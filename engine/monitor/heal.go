package monitor

import (
	"errors"
	"os"
	"path"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"codeberg.org/hoy/hoy/engine/rootless"
	"codeberg.org/hoy/hoy/netns/hold"
)

// HealRole is the name by which a monitor, which is light, starts the program to take ended containers off their networks: argv[0]. The
// arguments are the root and the run directory.
const HealRole = "hoy-heal"

// healFile is locked, in the run directory, by the process of HealRole for as long as it waits.
const healFile = "heal"

// healDelay is how long it waits. A container's links go with its namespace, so that most is gone by then without anybody's waiting for it,
// and when the next container is there by then, bridge and rules have never been away.
const healDelay = 250 * time.Millisecond

// Heal has a program in the background take ended containers off their networks, unless one is about to. That it fails costs nothing: the
// next container on a network does the same.
func Heal(p Place) { HealNear(p, 0) }

// HealNear is Heal, and gives a user's networks, whose holder was killed, another one. pid is a process in their user namespace.
func HealNear(p Place, pid int) {
	if Healing(p.Run) {
		return
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return
	}
	defer null.Close()
	argv, files := []string{HealRole, p.Root, p.Run}, []*os.File{null, null, null}
	if userns := networksUserns(p.Run, pid); userns != nil {
		defer userns.Close()
		spawnInside(userns, argv, files)
		return
	}
	proc, err := os.StartProcess("/proc/self/exe", argv, &os.ProcAttr{
		Dir: "/", Env: environment(), Files: files, Sys: &syscall.SysProcAttr{Setsid: true},
	})
	if err == nil {
		proc.Release()
	}
}

// networksUserns opens the user namespace of an ordinary user's networks, when this process is outside.
func networksUserns(run string, pid int) *os.File {
	if os.Geteuid() == 0 {
		return nil
	}
	if state, there := hold.In(run).Current(); there {
		pid = state.Pid
	}
	if pid == 0 {
		return nil
	}
	ns, err := rootless.UsernsOf(pid)
	if err != nil {
		return nil // it has ended since
	}
	return ns
}

// Healing says whether a process of HealRole waits. What has ended before the call it will find.
func Healing(run string) bool { return held(path.Join(run, healFile)) }

// AwaitHeal waits until it is time to heal. It is false when another process waits already, which will do it.
func AwaitHeal(run string) (bool, error) {
	f, err := os.OpenFile(path.Join(run, healFile), os.O_RDWR|os.O_CREATE, 0o600)
	if errors.Is(err, os.ErrNotExist) {
		return true, nil // no run directory: nobody will come
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	err = unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_WRLCK})
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	time.Sleep(healDelay)
	return true, nil
}

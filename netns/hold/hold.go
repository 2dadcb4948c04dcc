// Package hold is the process that keeps a user's private network namespace, where the bridges of rootless networks are, and how it is found.
//
// Only root may make bridges in the host's namespace. A user's are in a namespace of the user's own, and the first container on
// such a network starts a process, the holder (netns.Join), that keeps it and its way out until the last container has left.
// The containers must be in the holder's user namespace, for nobody can put a link into another's: the outer half of a
// rootless call asks Current, and enters that user namespace instead of making one.
//
//	<run>/nethold/members  locked shared by who is about to join; locked exclusively by the holder while it ends
//	<run>/nethold/start    locked exclusively by who starts a holder
//	<run>/nethold/lock     locked exclusively by the holder for its life: whether it lives is asked of the kernel
//	<run>/nethold/state    who it is; one that was killed leaves it
//
// It is light: the standard library and golang.org/x/sys only.
package hold

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"
	"strconv"

	"golang.org/x/sys/unix"
)

// State says who the holder is.
type State struct {
	Pid int `json:"pid"`
	FD  int `json:"fd"` // the holder's descriptor of the namespace
	// Gateway is the address of the host, as containers on the user's networks see it.
	Gateway string `json:"gateway"`
	Inode   uint64 `json:"inode"` // of the namespace
}

// Dir is a user's directory of these files, <run>/nethold.
type Dir string

// In gives the Dir of a run directory.
func In(run string) Dir { return Dir(path.Join(run, "nethold")) }

// Current gives the holder, and whether there is one. It takes no lock.
func (d Dir) Current() (State, bool) {
	f, err := os.Open(d.file("lock"))
	if err != nil {
		return State{}, false
	}
	defer f.Close()
	query := unix.Flock_t{Type: unix.F_WRLCK}
	if err := unix.FcntlFlock(f.Fd(), unix.F_OFD_GETLK, &query); err != nil || query.Type == unix.F_UNLCK {
		return State{}, false
	}
	return d.read()
}

func (d Dir) read() (s State, ok bool) {
	data, err := os.ReadFile(d.file("state"))
	if err != nil || json.Unmarshal(data, &s) != nil {
		return State{}, false
	}
	return s, true
}

// Orphaned opens the namespace of a holder that was killed, which monitors of containers on its networks still have open; nil: there is none.
// The caller is in their user namespace, and knows that there is no holder.
func (d Dir) Orphaned() *os.File {
	last, ok := d.read()
	if !ok || last.Inode == 0 {
		return nil
	}
	link := "net:[" + strconv.FormatUint(last.Inode, 10) + "]"
	processes, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var found *os.File
	for _, p := range processes {
		if p.Name()[0] < '0' || p.Name()[0] > '9' {
			continue
		}
		dir := "/proc/" + p.Name()
		if own, err := os.Readlink(dir + "/ns/net"); err == nil && own == link { // it is a container's now: the number was given out again
			return nil
		}
		if found == nil {
			found = openLink(dir+"/fd", link)
		}
	}
	return found
}

// openLink opens the first file of a directory of links that leads there.
func openLink(dir, link string) *os.File {
	links, err := os.ReadDir(dir)
	if err != nil {
		return nil // another's
	}
	for _, l := range links {
		name := dir + "/" + l.Name()
		if to, err := os.Readlink(name); err != nil || to != link {
			continue
		}
		if f, err := os.Open(name); err == nil {
			return f
		}
	}
	return nil
}

// Namespace opens the namespace that the holder keeps. The caller is in the holder's user namespace.
func (s State) Namespace() (*os.File, error) { return os.Open(s.Path()) }

// Path is where the namespace is while the holder lives.
func (s State) Path() string { return "/proc/" + strconv.Itoa(s.Pid) + "/fd/" + strconv.Itoa(s.FD) }

// SameUser says whether the caller is in the holder's user namespace.
func (s State) SameUser() bool {
	var own, its unix.Stat_t
	if unix.Stat("/proc/self/ns/user", &own) != nil || unix.Stat("/proc/"+strconv.Itoa(s.Pid)+"/ns/user", &its) != nil {
		return false
	}
	return own.Dev == its.Dev && own.Ino == its.Ino
}

// Members locks the members: shared before joining, exclusively to end. It waits: for a holder that ends, or for all members.
func (d Dir) Members(exclusive bool) (*os.File, error) { return d.flock("members", exclusive) }

// Starting locks the right to start a holder.
func (d Dir) Starting() (*os.File, error) { return d.flock("start", true) }

func (d Dir) flock(name string, exclusive bool) (*os.File, error) {
	if err := os.MkdirAll(string(d), 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(d.file(name), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	how := unix.LOCK_SH
	if exclusive {
		how = unix.LOCK_EX
	}
	for {
		err := unix.Flock(int(f.Fd()), how)
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, unix.EINTR) {
			f.Close()
			return nil, fmt.Errorf("lock %s: %w", f.Name(), err)
		}
	}
}

// ErrHeld says that there is a holder already.
var ErrHeld = errors.New("the user's networks have a holder already")

// Become makes the calling process the holder, until it ends or closes the file. ErrHeld when there is another.
func (d Dir) Become(s State) (*os.File, error) {
	f, err := os.OpenFile(d.file("lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	// A lock of the open file description (fcntl(2)), because that one can be asked about without being taken.
	if err := unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_WRLCK}); err != nil {
		f.Close()
		if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) {
			return nil, ErrHeld
		}
		return nil, fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	data, err := json.Marshal(s)
	if err == nil {
		err = os.WriteFile(d.file("state"), data, 0o600) // a reader that meets it half written starts a holder, which meets the lock
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func (d Dir) file(name string) string { return path.Join(string(d), name) }

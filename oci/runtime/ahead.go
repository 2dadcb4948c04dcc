package runtime

import (
	"errors"
	"os"
	"strconv"

	"codeberg.org/hoy/hoy/oci/child"
	"codeberg.org/hoy/hoy/oci/userns"
	"golang.org/x/sys/unix"
)

// Ahead is a container's first process that comes up while the container's directory is written and its plan made: of the two milliseconds that a Go
// program takes to begin, none is waited for. It waits for its plan. It costs a process that is thrown away when what it was born with was not
// foreseen, or when there is nothing to be started after all.
type Ahead struct {
	birth Birth
	ok    bool
	proc  *Process
	done  chan struct{}
	taken bool
}

// Birth is what a process can have from its birth only.
type Birth struct {
	Flags uintptr // CLONE_NEW*, of clone(2)
	Group string  // directory of the version 2 control group; "": the caller's
}

// StartAhead begins to start a process that dies with the caller. foresee says what it is to be born with; when it says no, none is started. sealed
// stays the caller's. The caller gives what it gets to Start, and calls Discard in any case.
func StartAhead(sealed *Sealed, foresee func() (Birth, bool)) *Ahead {
	a := &Ahead{done: make(chan struct{})}
	go func() {
		defer close(a.done)
		if a.birth, a.ok = foresee(); !a.ok {
			return
		}
		o := StartOptions{Sealed: sealed, KillWithParent: true}
		if a.birth.Group != "" {
			var err error
			if o.CgroupFD, err = os.Open(a.birth.Group); err != nil {
				return
			}
			defer o.CgroupFD.Close()
		}
		c := clone{role: child.Role, flags: a.birth.Flags}
		a.proc, _ = c.start(o) // what is wrong, the start without it says
	}()
	return a
}

// Userns gives the process's own user namespace its ids, and opens it; nil when it has none of its own. Other ids it cannot have after that.
func (a *Ahead) Userns(ids *userns.Map) (*os.File, error) {
	if a == nil {
		return nil, nil
	}
	<-a.done
	if a.proc == nil || !a.proc.unmapped {
		return nil, nil
	}
	return a.proc.userns(ids)
}

// Network is Userns for the network namespace that the process was born with. A plan that joins it may have the process.
func (a *Ahead) Network(ids *userns.Map) (*os.File, error) {
	ns, err := a.Userns(ids)
	if ns == nil || err != nil {
		return nil, err
	}
	ns.Close()
	if a.birth.Flags&unix.CLONE_NEWNET == 0 {
		return nil, nil
	}
	return userns.NetworkOf(a.proc.Pid)
}

// inNetwork says whether a plan joins no namespace but the network of the process.
func (a *Ahead) inNetwork(joins []child.NamespaceJoin) bool {
	if a == nil || len(joins) != 1 || joins[0].Type != unix.CLONE_NEWNET {
		return false
	}
	<-a.done
	if a.proc == nil || a.birth.Flags&unix.CLONE_NEWNET == 0 {
		return false
	}
	var own, joined unix.Stat_t
	err := errors.Join(unix.Stat("/proc/"+strconv.Itoa(a.proc.Pid)+"/ns/net", &own), unix.Stat(joins[0].Path, &joined))
	return err == nil && own.Dev == joined.Dev && own.Ino == joined.Ino
}

// fits says whether the process was born as c and o want it.
func (a *Ahead) fits(c *clone, o StartOptions) bool {
	if a == nil || !o.KillWithParent || c.pidns != nil || c.userns != nil || c.clocks != nil || c.seats != nil || len(o.ExtraFiles) > 0 {
		return false
	}
	<-a.done
	want := Birth{Flags: c.flags}
	if o.CgroupFD != nil {
		want.Group = o.CgroupFD.Name()
	}
	return a.proc != nil && !a.taken && a.birth == want && (a.proc.ids == nil || a.proc.ids.Equal(c.ids))
}

// take gives the process when it fits; else nil.
func (a *Ahead) take(c *clone, o StartOptions) *Process {
	if !a.fits(c, o) {
		return nil
	}
	a.taken, a.proc.ahead, a.proc.notify = true, true, o.Notify
	return a.proc
}

// Discard ends the process if it was not taken.
func (a *Ahead) Discard() {
	if a == nil {
		return
	}
	<-a.done
	if a.proc != nil && !a.taken {
		a.proc.discard()
	}
}

package runtime

import (
	"os"

	"codeberg.org/hoy/hoy/oci/child"
	"codeberg.org/hoy/hoy/oci/userns"
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

// take gives the process when it was born as c and o want it; else nil.
func (a *Ahead) take(c *clone, o StartOptions) *Process {
	if a == nil || !o.KillWithParent || c.pidns != nil || c.userns != nil || c.clocks != nil || c.seats != nil || len(o.ExtraFiles) > 0 {
		return nil
	}
	<-a.done
	want := Birth{Flags: c.flags}
	if o.CgroupFD != nil {
		want.Group = o.CgroupFD.Name()
	}
	if a.proc == nil || a.taken || a.birth != want || a.proc.ids != nil && !a.proc.ids.Equal(c.ids) {
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

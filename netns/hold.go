package netns

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"

	"codeberg.org/hoy/hoy/netns/hold"
	"codeberg.org/hoy/hoy/netns/link"
	"codeberg.org/hoy/hoy/netns/space"
	"codeberg.org/hoy/hoy/netns/uplink"
)

// HolderRole is the name by which the program is started as the holder: argv[0].
const HolderRole = "hoy-nethold"

// readyFD is the holder's descriptor of the pipe on which it says that it is ready, with nothing, or what went wrong.
const readyFD = 3

// ErrElsewhere says that the user's networks are in another user namespace: the call has to be made from there (hold.State.Pid).
var ErrElsewhere = errors.New("the user's networks are in another user namespace")

// Hub is the user's private namespace, kept until Close by this process, and after it by every container on one of its networks.
type Hub struct {
	hold.State
	NS      *os.File // for Options.Host
	members *os.File
}

// Join gives the namespace that a user's networks are in, and starts its holder when there is none. Attach, then Close.
// Errors: ErrElsewhere.
func Join(run string) (*Hub, error) {
	dir := hold.In(run)
	members, err := dir.Members(false)
	if err != nil {
		return nil, err
	}
	state, err := current(dir, run)
	if err == nil && !state.SameUser() {
		err = ErrElsewhere
	}
	var ns *os.File
	if err == nil {
		ns, err = state.Namespace()
	}
	if err != nil {
		members.Close()
		return nil, fmt.Errorf("join the user's networks: %w", err)
	}
	return &Hub{state, ns, members}, nil
}

// Close lets go of the namespace.
func (h *Hub) Close() error { return errors.Join(h.NS.Close(), h.members.Close()) }

// current gives the holder, a new one when there is none.
func current(dir hold.Dir, run string) (hold.State, error) {
	if s, there := dir.Current(); there {
		return s, nil
	}
	lock, err := dir.Starting()
	if err != nil {
		return hold.State{}, err
	}
	defer lock.Close()
	if s, there := dir.Current(); there {
		return s, nil
	}
	if err := startHolder(run); err != nil {
		return hold.State{}, fmt.Errorf("start the holder: %w", err)
	}
	s, there := dir.Current()
	if !there {
		return s, errors.New("the holder ended at once")
	}
	return s, nil
}

// startHolder runs the program again as the holder, and waits until it is ready.
func startHolder(run string) error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	p, err := os.StartProcess("/proc/self/exe", []string{HolderRole, run}, &os.ProcAttr{
		Files: []*os.File{nil, nil, nil, w}, Dir: "/", Env: []string{}, Sys: &syscall.SysProcAttr{Setsid: true},
	})
	w.Close()
	if err != nil {
		return err
	}
	said, err := io.ReadAll(r)
	if err != nil || len(said) > 0 {
		p.Kill()
		p.Wait()
		return errors.Join(err, errors.New(strings.TrimSpace(string(said))))
	}
	go p.Wait() // it outlives this process; while this one lives it is not left a zombie
	return nil
}

// HolderMain is the role "hoy-nethold". It gives the exit status.
func HolderMain(args []string) int {
	ready := os.NewFile(readyFD, "ready")
	if len(args) != 2 || ready == nil {
		return 2
	}
	if err := Hold(args[1], func() { ready.Close() }); err != nil {
		fmt.Fprintln(ready, err)
		return 1
	}
	return 0
}

// Hold makes the user's namespace with its way out, calls ready, and keeps it until no container is on a network of it.
func Hold(run string, ready func()) error {
	ns, err := space.New()
	if err != nil {
		return err
	}
	defer ns.Close()
	out, err := NewWayOut(ns)
	if err != nil {
		return err
	}
	links, err := link.Open(ns)
	if err != nil {
		return errors.Join(err, out.Device.Close())
	}
	defer links.Close()
	dir := hold.In(run)
	lock, err := dir.Become(hold.State{Pid: os.Getpid(), FD: int(ns.Fd()), Gateway: out.Options.Gateway4})
	if err != nil {
		return errors.Join(err, out.Device.Close())
	}
	ctx, cancel := context.WithCancel(context.Background())
	kept := make(chan error, 1)
	go func() { kept <- uplink.Keep(ctx, out.Device, out.Options) }()
	ready()
	last, err := waitEmpty(dir, links)
	cancel()
	err = errors.Join(err, <-kept, lock.Close())
	if last != nil { // after lock: who waits to join finds no holder
		err = errors.Join(err, last.Close())
	}
	return err
}

// waitEmpty waits until nobody is about to join and no bridge has a port, and gives the lock that keeps it so. Ports, not
// processes, are counted: a container whose monitor was killed keeps its link, and a killed container loses it.
func waitEmpty(dir hold.Dir, links *link.Links) (*os.File, error) {
	changes, stop, err := links.Changes()
	if err != nil {
		return nil, err
	}
	defer stop()
	for {
		lock, err := dir.Members(true)
		if err != nil {
			return nil, err
		}
		ports, err := links.Ports()
		if err != nil || ports == 0 {
			return lock, err
		}
		lock.Close()
		if _, more := <-changes; !more {
			return nil, errors.New("watch links: the kernel ended the subscription")
		}
	}
}

package netns

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"codeberg.org/hoy/hoy/engine/rootless"
	"codeberg.org/hoy/hoy/netns/hold"
	"codeberg.org/hoy/hoy/netns/space"
	"codeberg.org/hoy/hoy/netns/uplink"
	"codeberg.org/hoy/hoy/netns/wake"
)

// Hub is the user's private namespace, whose holder lives at least until Close.
type Hub struct {
	NS      *os.File   // for Options.Host
	Gateway netip.Addr // for Options.Gateway
	Pid     int        // the holder
	members *os.File   // nil: of Current
}

// Join gives the namespace that a user's networks are in, and starts its holder when there is none. Attach, then Close.
// Errors: *rootless.Elsewhere.
func Join(run string) (*Hub, error) {
	dir := hold.In(run)
	members, err := dir.Members(false)
	if err != nil {
		return nil, err
	}
	state, err := current(dir, run)
	if err == nil && !state.SameUser() {
		err = &rootless.Elsewhere{Pid: state.Pid, What: "the holder of the user's networks"}
	}
	var hub *Hub
	if err == nil {
		hub, err = hubOf(state)
	}
	if err != nil {
		members.Close()
		return nil, fmt.Errorf("join the user's networks: %w", err)
	}
	hub.members = members
	return hub, nil
}

// Current gives the namespace as it is: nil when nobody keeps it, or this process is in another user namespace.
func Current(run string) *Hub {
	state, there := hold.In(run).Current()
	if !there || !state.SameUser() {
		return nil
	}
	hub, err := hubOf(state)
	if err != nil {
		return nil // it has ended since
	}
	return hub
}

func hubOf(state hold.State) (*Hub, error) {
	gateway, err := netip.ParseAddr(state.Gateway)
	if err != nil {
		return nil, err
	}
	ns, err := state.Namespace()
	if err != nil {
		return nil, err
	}
	return &Hub{NS: ns, Gateway: gateway, Pid: state.Pid}, nil
}

// Namespace opens the namespace once more.
func (h *Hub) Namespace() (*os.File, error) {
	return os.Open("/proc/self/fd/" + strconv.Itoa(int(h.NS.Fd())))
}

// Close lets go of the namespace.
func (h *Hub) Close() error {
	err := h.NS.Close()
	if h.members != nil {
		err = errors.Join(err, h.members.Close())
	}
	return err
}

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

// startHolder makes the namespace, or takes that of a killed holder, gives it a way out, runs the program again as the holder, and waits until
// it is ready.
func startHolder(run string) error {
	ns := hold.In(run).Orphaned()
	if ns == nil {
		var err error
		if ns, err = space.New(); err != nil {
			return err
		}
	}
	defer ns.Close()
	out, err := NewWayOut(ns, "")
	if err != nil {
		return err
	}
	defer out.Device.Close()
	part, err := uplink.Part(out.Options, 0)
	if err != nil {
		return err
	}
	way, err := json.Marshal(part)
	if err != nil {
		return err
	}
	files := hold.Files{Space: ns, Device: out.Device}
	if files.Events, err = netlinkSocket(ns, unix.RTMGRP_LINK); err != nil {
		return err
	}
	defer files.Events.Close()
	if files.Ask, err = netlinkSocket(ns, 0); err != nil {
		return err
	}
	defer files.Ask.Close()
	return execHolder([]string{hold.Role, run, out.Options.Gateway4.String(), string(way)}, files)
}

// netlinkSocket opens a routing socket in the namespace that listens to the groups.
func netlinkSocket(ns *os.File, groups uint32) (f *os.File, err error) {
	err = space.Do(ns, func() error {
		fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
		if err != nil {
			return fmt.Errorf("open netlink: %w", err)
		}
		f = os.NewFile(uintptr(fd), "netlink")
		if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: groups}); err != nil {
			return errors.Join(fmt.Errorf("bind netlink: %w", err), f.Close())
		}
		return nil
	})
	return f, err
}

func execHolder(args []string, files hold.Files) error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	files.Ready = w
	p, err := os.StartProcess("/proc/self/exe", args, &os.ProcAttr{
		Files: files.List(), Dir: "/", Env: wake.SmallRuntime(), Sys: &syscall.SysProcAttr{Setsid: true},
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

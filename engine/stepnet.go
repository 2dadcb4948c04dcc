package engine

import (
	"errors"
	"os"
	"strconv"

	"codeberg.org/hoy/hoy/engine/monitor"
	"codeberg.org/hoy/hoy/netns/wake"
	"codeberg.org/hoy/hoy/oci"
	"codeberg.org/hoy/hoy/oci/child"
)

// StepNetwork is the default network as the steps of one build have it: they share a namespace, so that it costs once what it costs.
type StepNetwork struct {
	c      *Container // that is none but for its network
	lock   *os.File   // while it is held the addresses are ours
	net    *monitor.Network
	keeper *wake.Keeper
}

// OpenStepNetwork makes it, for steps with that host name. It lasts until Close, or until this process ends: the next look tidies then.
func (e *Engine) OpenStepNetwork(hostname string) (_ *StepNetwork, err error) {
	id := newID()
	c := &Container{Config: oci.Config{Version: oci.ConfigVersion, ID: id, Name: "build-" + id[:12], Hostname: hostname}, place: e.place(id)}
	s := &StepNetwork{c: c}
	if s.lock, err = c.place.Lock(); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	if c.network, err = e.connect(c, nil); err != nil {
		c.network = nil
		return nil, err
	}
	if s.net, err = c.network.net.ForMonitor(c.place); err != nil {
		return nil, err
	}
	if err := monitor.WriteSettings(&monitor.Settings{Place: c.place, Plan: &child.Plan{}, Network: s.net}); err != nil {
		return nil, err
	}
	if s.keeper, err = wake.New(s.net.Parts, s.net.Files); err != nil {
		return nil, err
	}
	go s.keeper.Run()
	return s, nil
}

// Close gives it back. No step may run any more.
func (s *StepNetwork) Close() error {
	var err error
	if s.keeper != nil {
		s.keeper.Close()
	}
	if n := s.c.network; n != nil {
		err = n.net.Close()
	}
	err = errors.Join(err, s.net.Close(), monitor.RemoveRunDir(s.c.place), s.lock.Close())
	monitor.Heal(s.c.place)
	return err
}

// connection is what a step sees of it; nil for none.
func (s *StepNetwork) connection() *connection {
	if s == nil {
		return nil
	}
	return s.c.network
}

// path is the namespace for the step's process, which opens it while it is born.
func (s *StepNetwork) path() string {
	if s == nil {
		return ""
	}
	return "/proc/" + strconv.Itoa(os.Getpid()) + "/fd/" + strconv.Itoa(int(s.net.Files[0].Fd()))
}

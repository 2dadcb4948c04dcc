package engine

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"codeberg.org/hoy/hoy/engine/monitor"
	"codeberg.org/hoy/hoy/engine/rootless"
	"codeberg.org/hoy/hoy/netns"
	"codeberg.org/hoy/hoy/netns/hold"
	"codeberg.org/hoy/hoy/oci"
)

// Reach makes sure that an ordinary user's container with that config can be started by this process: the user's networks, which it joins from
// here on, and the containers whose namespaces it shares are in the user namespace that this process is in. It changes nothing.
// Errors: *rootless.Elsewhere, when the call has to be made from another one.
func (e *Engine) Reach(cfg *oci.Config) error {
	if !e.o.Rootless || e.o.Outside {
		return nil
	}
	shared := ""
	for _, ref := range shares(cfg) {
		other, err := e.Find(ref)
		if err != nil || !other.Running() {
			continue // the start says so
		}
		if !rootless.Within(other.State.Pid) {
			return &rootless.Elsewhere{Pid: other.State.Pid, What: "container " + other.Name()}
		}
		shared = other.Name()
	}
	switch mode, value := cfg.NetworkMode(); {
	case mode == oci.NetworkPath:
		return reachPath(value)
	case mode != oci.NetworkBridge || onDefault(cfg):
		return nil
	}
	err := e.join()
	if elsewhere := new(rootless.Elsewhere); shared != "" && errors.As(err, &elsewhere) { // starting over would lead back here
		return fmt.Errorf("container %s was started before the user's networks were, in a user namespace of its own: restart it to share its namespaces with a container on them", shared)
	}
	return err
}

// reachPath is for the namespace of a process that is named by its path in /proc, which cannot even be looked at from elsewhere.
func reachPath(path string) error {
	rest, ok := strings.CutPrefix(path, "/proc/")
	number, _, _ := strings.Cut(rest, "/")
	pid, err := strconv.Atoi(number)
	if !ok || err != nil || rootless.Within(pid) {
		return nil
	}
	if _, err := os.Stat("/proc/" + number); err != nil {
		return nil // the start says so
	}
	return &rootless.Elsewhere{Pid: pid, What: "process " + number}
}

// join joins the user's networks, for as long as the engine is used.
func (e *Engine) join() (err error) {
	if e.hub != nil || !e.o.Rootless {
		return nil
	}
	if pid := e.orphaned(); pid != 0 && !rootless.Within(pid) {
		return &rootless.Elsewhere{Pid: pid, What: "a container of the user's networks"}
	}
	e.hub, err = netns.Join(e.o.Run)
	var elsewhere *rootless.Elsewhere
	if err != nil && !errors.As(err, &elsewhere) {
		err = noNetwork(err)
	}
	return err
}

// orphaned gives a process of a container on an ordinary user's networks while nobody keeps these, because their holder was killed; 0: they are kept, or
// there is none.
func (e *Engine) orphaned() int {
	if !e.o.Rootless {
		return 0
	}
	if _, there := hold.In(e.o.Run).Current(); there {
		return 0
	}
	for _, id := range e.networksOf(nil).Containers() {
		if s, err := monitor.ReadState(e.place(id)); err == nil && s.Process != nil && s.Process.Alive() {
			return s.Process.Pid
		}
	}
	return 0
}

// reachContainer is Reach for putting a container that runs on a further network.
func (e *Engine) reachContainer(c *Container) error {
	if !e.o.Rootless {
		return nil
	}
	if !rootless.Within(c.State.Pid) {
		if hub := netns.Current(e.o.Run); hub != nil { // this process is where they are
			hub.Close()
			return fmt.Errorf("cannot connect container %s while it runs: it was started before the user's networks were, in a user namespace of its own; restart it", c.Name())
		}
		return &rootless.Elsewhere{Pid: c.State.Pid, What: "container " + c.Name()}
	}
	return e.join()
}

// shares are the containers that a config says namespaces are shared with.
func shares(cfg *oci.Config) []string {
	var refs []string
	for _, mode := range []string{cfg.Network, cfg.PidMode, cfg.IpcMode, cfg.UTSMode, cfg.UsernsMode} {
		if ref, ok := strings.CutPrefix(mode, "container:"); ok {
			refs = append(refs, ref)
		}
	}
	return refs
}

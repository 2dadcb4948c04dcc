package engine

import (
	"strconv"
	"strings"
	"syscall"
	"time"

	"codeberg.org/hoy/hoy/engine/event"
	"codeberg.org/hoy/hoy/engine/monitor"
	nets "codeberg.org/hoy/hoy/netns/record"
	"codeberg.org/hoy/hoy/oci"
	"codeberg.org/hoy/hoy/storage"
)

// Events begins to read what happens: what is recorded from since on, or, where since is zero, from now on.
func (e *Engine) Events(since time.Time) (*event.Reader, error) { return event.Open(e.o.Root, since) }

// happened records what was done to a container. more are further attributes: name, value, name, value. That an event cannot be written is no reason
// to say that a command has failed.
func (e *Engine) happened(c *Container, action string, more ...string) {
	event.Write(e.o.Root, c.event(action, more...))
}

func (c *Container) event(action string, more ...string) event.Event {
	return c.brief().Event(c.ID(), action, more...)
}

func (c *Container) brief() monitor.Brief {
	return monitor.Brief{Name: c.Name(), Image: c.Config.Image, Labels: c.Config.Labels, Restart: c.Config.Restart}
}

// signalled records a signal that a command has sent.
func (e *Engine) signalled(c *Container, sig syscall.Signal) {
	e.happened(c, "kill", "signal", strconv.Itoa(int(sig)))
}

// stored records what package storage has done to an image or a volume.
func stored(root string, h storage.Happening) {
	event.Write(root, event.Event{Type: h.Type, Action: h.Action, ID: h.ID, Attributes: h.Attributes})
}

// NetworkHappened records what was done to a network.
func (e *Engine) NetworkHappened(action string, x *nets.Network) {
	event.Write(e.o.Root, networkEvent(action, x, ""))
}

// networkEvent is an event of a network; container is the id of the one that is put on it or taken off, or "".
func networkEvent(action string, x *nets.Network, container string) event.Event {
	attributes := map[string]string{"name": x.Name, "type": x.Driver}
	if container != "" {
		attributes["container"] = container
	}
	return event.Event{Type: "network", Action: action, ID: x.ID, Attributes: attributes}
}

// Pruned records that one kind of thing was pruned; space is what that has freed, in bytes.
func (e *Engine) PruneHappened(kind string, space int64) {
	event.Write(e.o.Root, event.Event{Type: kind, Action: "prune", Attributes: map[string]string{"reclaimed": strconv.FormatInt(space, 10)}})
}

// joins are the events of what a start connects the container with: its monitor records them, and their opposites in the end.
func (e *Engine) joins(c *Container) []event.Event {
	var list []event.Event
	for _, m := range c.Config.Mounts {
		if m.Type != oci.MountVolume {
			continue
		}
		list = append(list, event.Event{Type: "volume", Action: "mount", ID: m.Source, Attributes: map[string]string{
			"container": c.ID(), "destination": m.Target, "driver": "local", "propagation": m.Propagation, "read/write": strconv.FormatBool(!m.ReadOnly),
		}})
	}
	switch mode, _ := c.Config.NetworkMode(); {
	case c.network != nil && c.network.joined != nil:
		for _, x := range c.network.joined {
			list = append(list, networkEvent("connect", x, c.ID()))
		}
	case mode == oci.NetworkBridge:
		list = append(list, networkEvent("connect", &nets.Network{ID: oci.DefaultNetwork, Name: oci.DefaultNetwork, Driver: "bridge"}, c.ID()))
	case mode == oci.NetworkHost:
		list = append(list, networkEvent("connect", &nets.Network{ID: "host", Name: "host", Driver: "host"}, c.ID()))
	case mode == oci.NetworkNone:
		list = append(list, networkEvent("connect", &nets.Network{ID: "none", Name: "none", Driver: "null"}, c.ID()))
	}
	return list
}

// execEvents are those of the beginning of an exec.
func execEvents(c *Container, id string, cmd []string) []event.Event {
	line := strings.Join(cmd, " ")
	return []event.Event{c.event("exec_create: "+line, "execID", id), c.event("exec_start: "+line, "execID", id)}
}

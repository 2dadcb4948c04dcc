package monitor

import (
	"encoding/json"
	"maps"
	"os"
	"strconv"

	"codeberg.org/hoy/hoy/engine/event"
	"codeberg.org/hoy/hoy/oci/restart"
)

// Brief is what a monitor reads of its container's config when it needs it, because a rename or an update may have changed it meanwhile.
type Brief struct {
	Name    string            `json:"name"`
	Image   string            `json:"image"`
	Labels  map[string]string `json:"labels,omitempty"`
	Restart restart.Policy    `json:"restart,omitzero"`
}

// ReadBrief reads it. A config that cannot be read is an empty Brief: the container is gone, or broken.
func ReadBrief(p Place) Brief {
	var b Brief
	data, err := os.ReadFile(p.File(ConfigFile))
	if err != nil || json.Unmarshal(data, &b) != nil {
		return Brief{}
	}
	return b
}

// Event is an event of the container with that id. As in Docker its labels are among the attributes; more are others: name, value, name, value.
func (b Brief) Event(id, action string, more ...string) event.Event {
	attributes := maps.Clone(b.Labels)
	if attributes == nil {
		attributes = map[string]string{}
	}
	attributes["image"], attributes["name"] = b.Image, b.Name
	for i := 0; i+1 < len(more); i += 2 {
		attributes[more[i]] = more[i+1]
	}
	return event.Event{Type: "container", Action: action, ID: id, Attributes: attributes}
}

// happened records what has happened to the container. That it cannot be written ends no container.
func (k *keeper) happened(action string, more ...string) {
	event.Write(k.s.Root, ReadBrief(k.s.Place).Event(k.s.ID, action, more...))
}

// hasBegun records that the container's command runs, after what it was connected with.
func (k *keeper) hasBegun() {
	event.Write(k.s.Root, append(k.s.Joins[:len(k.s.Joins):len(k.s.Joins)], k.s.Brief.Event(k.s.ID, "start"))...)
}

// hasEnded records the end of a run, and what that has disconnected.
func (k *keeper) hasEnded(b Brief, e Ending) {
	var list []event.Event
	if e.OOMKilled {
		list = append(list, b.Event(k.s.ID, "oom"))
	}
	list = append(list, b.Event(k.s.ID, "die", "exitCode", strconv.Itoa(e.Code), "execDuration", strconv.Itoa(int(e.Ran.Seconds()))))
	for _, j := range k.s.Joins {
		switch j.Action {
		case "connect":
			j.Action = "disconnect"
		case "mount":
			j.Action = "unmount"
			j.Attributes = map[string]string{"container": k.s.ID, "driver": "local"}
		}
		list = append(list, j)
	}
	event.Write(k.s.Root, list...)
}

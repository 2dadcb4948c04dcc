package engine

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"codeberg.org/hoy/hoy/engine/monitor"
	"codeberg.org/hoy/hoy/oci"
)

// record is what config.json holds: the Config as it is, and what only the engine must know.
type record struct {
	oci.Config
	// TopLayer is the image's top layer: it keeps the container startable when its image has been untagged.
	TopLayer string `json:"topLayer,omitempty"`
	// Leased: made by `run`. Until it was started it lives only as long as its maker holds the lock, when it is to be removed in the end anyway.
	Leased bool `json:"leased,omitempty"`
	// Shifted: what the container sees of its image, and what it writes, have the ids of its user namespace on disk (Config.IDMap), because the
	// kernel cannot show others.
	Shifted bool `json:"shifted,omitempty"`

	userTyped bool // -u was given; the image's user is in Config.User by then
}

// isID says whether a name is a container's id, and so that of its directory.
func isID(name string) bool {
	const size, digits = 64, "0123456789abcdef"
	return len(name) == size && strings.Trim(name, digits) == ""
}

func (e *Engine) place(id string) monitor.Place {
	return monitor.Place{Root: e.o.Root, Run: e.o.Run, ID: id}
}

// durability is what a container's records deserve: one with --rm need not survive a power cut.
func (r *record) durability() monitor.Durability { return monitor.Durability(!r.AutoRemove) }

func readRecord(p monitor.Place) (*record, error) {
	r := new(record)
	err := monitor.ReadJSON(p.File(monitor.ConfigFile), r, oci.ConfigVersion)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, &refError{p.ID, ErrNoContainer}
	case errors.Is(err, monitor.ErrNewer):
		return nil, fmt.Errorf("container %s: %w", p.ID[:12], err)
	case err != nil:
		return nil, err
	case r.ID != p.ID:
		return nil, fmt.Errorf("%s is corrupt: it has the id %q", p.File(monitor.ConfigFile), r.ID)
	}
	return r, nil
}

func writeRecord(p monitor.Place, r *record) error {
	r.Version = oci.ConfigVersion
	return monitor.WriteJSON(p.File(monitor.ConfigFile), r, r.durability())
}

// refError is what is wrong with a reference to a container, in Docker's words.
type refError struct {
	ref string
	err error
}

func (e *refError) Error() string {
	if e.err == ErrAmbiguous {
		return "multiple IDs found with provided prefix: " + e.ref
	}
	return "No such container: " + e.ref
}

func (e *refError) Unwrap() error { return e.err }

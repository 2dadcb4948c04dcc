package storage

import "strings"

// Happening is something that was done to an image or a volume, in the words of Docker's events.
type Happening struct {
	Type       string // "image" or "volume"
	Action     string // "pull", "tag", "untag", "delete", "load", "save", "create", "destroy"
	ID         string // sha256:… of an image, for "pull" its name; a volume's name
	Attributes map[string]string
}

// tell says that something was done to an image, or to a volume; more are attributes: name, value.
func (s *Store) tell(kind, action, id string, more ...string) {
	if s.options.Happened == nil {
		return
	}
	if kind == "image" && len(id) == 64 && !strings.ContainsAny(id, ":/") {
		id = "sha256:" + id
	}
	h := Happening{Type: kind, Action: action, ID: id, Attributes: map[string]string{}}
	for i := 0; i+1 < len(more); i += 2 {
		h.Attributes[more[i]] = more[i+1]
	}
	s.options.Happened(h)
}

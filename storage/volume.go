package storage

import "time"

// Volume is a named directory that outlives containers.
type Volume struct {
	Version   int               `json:"version"`
	Name      string            `json:"name"`
	Created   time.Time         `json:"created"`
	Labels    map[string]string `json:"labels,omitempty"`
	Anonymous bool              `json:"anonymous,omitempty"` // made without a name: `rm -v` and `--rm` remove it
	Path      string            `json:"-"`                   // the data directory
}

// CreateVolume makes a volume, or gives the one that has this name. An empty name makes an anonymous volume with a random name.
// Errors: ErrBadVolumeName.
func (s *Store) CreateVolume(name string, labels map[string]string) (*Volume, error) {
	return nil, ErrNoVolume
}

// Volume finds a volume by its name. ErrNoVolume.
func (s *Store) Volume(name string) (*Volume, error) { return nil, ErrNoVolume }

// Volumes lists the volumes, sorted by name.
func (s *Store) Volumes() ([]*Volume, error) { return nil, nil }

// RemoveVolume removes a volume and its data. inUse names the containers that use it (nil: none); it is asked while no
// container can start to use the volume. Errors: ErrNoVolume, ErrVolumeInUse.
func (s *Store) RemoveVolume(name string, inUse func(name string) []string) error { return ErrNoVolume }

// VolumePath is the data directory of a volume of this name, whether it exists or not.
func (s *Store) VolumePath(name string) string { return "" }

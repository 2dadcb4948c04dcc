package storage

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const volumeVersion = 1

// Volume is a named directory that outlives containers.
type Volume struct {
	Version   int               `json:"version"`
	Name      string            `json:"name"`
	Created   time.Time         `json:"created"`
	Labels    map[string]string `json:"labels,omitempty"`
	Anonymous bool              `json:"anonymous,omitempty"` // made without a name: `rm -v` and `--rm` remove it
	Options   map[string]string `json:"options,omitempty"`   // of the driver local: see checkVolumeOptions
	Path      string            `json:"-"`                   // the data directory
}

func (s *Store) volumes() string { return filepath.Join(s.options.Root, "volumes") }

// VolumePath is the data directory of a volume of this name, whether it exists or not.
func (s *Store) VolumePath(name string) string {
	if v, err := s.Volume(name); err == nil {
		return v.Path
	}
	return filepath.Join(s.volumes(), name, "data")
}

// validVolumeName is Docker's rule (moby, volume/local): [a-zA-Z0-9][a-zA-Z0-9_.-]*, at least two characters.
func validVolumeName(name string) bool {
	if len(name) < 2 || len(name) > 255 || strings.ContainsRune("_.-", rune(name[0])) {
		return false
	}
	for _, c := range name {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '.' || c == '-') {
			return false
		}
	}
	return true
}

// CreateVolume makes a volume, or gives the one that has this name. An empty name makes an anonymous volume with a random name.
// Errors: ErrBadVolumeName.
func (s *Store) CreateVolume(name string, labels map[string]string) (*Volume, error) {
	return s.CreateVolumeWith(name, labels, nil)
}

// CreateVolumeWith is CreateVolume with options of the driver local.
func (s *Store) CreateVolumeWith(name string, labels, options map[string]string) (*Volume, error) {
	if err := checkVolumeOptions(options); err != nil {
		return nil, err
	}
	v := &Volume{Version: volumeVersion, Name: name, Created: time.Now().UTC(), Labels: labels, Options: options}
	if name == "" {
		v.Name, v.Anonymous = newID(), true
	} else if !validVolumeName(name) {
		return nil, fmt.Errorf("%w: %q: only [a-zA-Z0-9][a-zA-Z0-9_.-]+ is allowed", ErrBadVolumeName, name)
	}
	have, err := s.Volume(v.Name)
	if err == nil || !errors.Is(err, ErrNoVolume) {
		return have, err
	}
	if err := s.makeVolume(v); err != nil {
		return nil, s.explain(fmt.Errorf("create volume %s: %w", v.Name, err))
	}
	s.tell("volume", "create", v.Name, "driver", "local")
	return s.Volume(v.Name) // somebody else's, when two made it at once
}

// makeVolume makes the volume beside its place and renames it, so that nobody sees half of one.
func (s *Store) makeVolume(v *Volume) error {
	if err := os.MkdirAll(s.volumes(), 0o700); err != nil {
		return err
	}
	temp, err := os.MkdirTemp(s.volumes(), ".new-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	data := filepath.Join(temp, "data")
	if err := os.Mkdir(data, 0o755); err != nil {
		return err
	}
	if err := os.Chmod(data, 0o755); err != nil { // whatever the umask is
		return err
	}
	meta, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(temp, "meta.json"), meta, 0o600); err != nil {
		return err
	}
	if err := s.syncFiles(filepath.Join(temp, "meta.json"), temp); err != nil {
		return err
	}
	err = os.Rename(temp, filepath.Join(s.volumes(), v.Name))
	if errors.Is(err, unix.ENOTEMPTY) || errors.Is(err, unix.EEXIST) {
		return nil
	}
	if err != nil {
		return err
	}
	return s.syncFiles(s.volumes())
}

// Volume finds a volume by its name. ErrNoVolume.
func (s *Store) Volume(name string) (*Volume, error) {
	if !validVolumeName(name) {
		return nil, fmt.Errorf("%w: %s", ErrNoVolume, name)
	}
	path := filepath.Join(s.volumes(), name, "meta.json")
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s", ErrNoVolume, name)
	}
	if err != nil {
		return nil, err
	}
	v := &Volume{}
	if err := json.Unmarshal(data, v); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	if v.Version > volumeVersion {
		return nil, fmt.Errorf("read %s: version %d was written by a newer hoy", path, v.Version)
	}
	v.Path = filepath.Join(s.volumes(), name, "data")
	if isBind(v.Options) {
		v.Path = v.Options["device"]
	}
	return v, nil
}

// Volumes lists the volumes, sorted by name. Volumes that cannot be read are left out.
func (s *Store) Volumes() ([]*Volume, error) {
	entries, err := os.ReadDir(s.volumes())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var list []*Volume
	for _, e := range entries {
		if v, err := s.Volume(e.Name()); err == nil {
			list = append(list, v)
		}
	}
	slices.SortFunc(list, func(a, b *Volume) int { return strings.Compare(a.Name, b.Name) })
	return list, nil
}

// RemoveVolume removes a volume and its data. inUse names the containers that use it (nil: none); it is asked while no
// container directory can begin to name the volume (HoldImages). Errors: ErrNoVolume, ErrVolumeInUse.
func (s *Store) RemoveVolume(name string, inUse func(name string) []string) error {
	release, err := s.lock("hold", unix.LOCK_EX)
	if err != nil {
		return err
	}
	defer release()
	if _, err := s.Volume(name); errors.Is(err, ErrNoVolume) {
		return err
	}
	if inUse != nil {
		if users := inUse(name); len(users) > 0 {
			return fmt.Errorf("%w: %s: container %s", ErrVolumeInUse, name, strings.Join(users, ", "))
		}
	}
	gone := filepath.Join(s.volumes(), ".old-"+newID())
	if err := os.Rename(filepath.Join(s.volumes(), name), gone); err != nil {
		return err
	}
	if err := os.RemoveAll(gone); err != nil {
		return fmt.Errorf("remove volume %s: %w", name, err)
	}
	s.tell("volume", "destroy", name, "driver", "local")
	return nil
}

// tidyVolumes removes what a killed CreateVolume or RemoveVolume left. A new volume takes no hour to be made.
func (s *Store) tidyVolumes() {
	entries, err := os.ReadDir(s.volumes())
	if err != nil {
		return
	}
	for _, e := range entries {
		if stale(e) {
			os.RemoveAll(filepath.Join(s.volumes(), e.Name()))
		}
	}
}

// stale says whether a directory is half of a volume, left by a command that was killed.
func stale(e fs.DirEntry) bool {
	info, err := e.Info()
	isNew := strings.HasPrefix(e.Name(), ".new-") && err == nil && time.Since(info.ModTime()) > time.Hour
	return isNew || strings.HasPrefix(e.Name(), ".old-")
}

package oci

import (
	"cmp"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// ParseVolume reads -v [SOURCE:]TARGET[:OPTIONS]; a source that begins with a dot is taken from cwd. Checks and messages are
// those of docker/cli and of moby's linux_parser.go. Create is set for binds.
func ParseVolume(s, cwd string) (Mount, error) {
	source, target, mode, err := splitVolume(s)
	if err != nil {
		return Mount{}, err
	}
	if strings.HasPrefix(source, ".") {
		source = filepath.Join(cwd, source)
	}
	m := Mount{Type: MountVolume, Source: source, Target: target}
	if path.IsAbs(source) {
		m.Type, m.Create = MountBind, true
	}
	m.applyMode(mode)
	if err := m.check(); err != nil {
		return Mount{}, fmt.Errorf("invalid volume specification: '%s': %w", s, err)
	}
	return m.clean(), nil
}

// splitVolume takes a -v value apart.
func splitVolume(s string) (source, target, mode string, err error) {
	if s == "" {
		return "", "", "", errors.New("invalid empty volume spec")
	}
	parts := strings.Split(s, ":")
	if slices.Contains(parts, "") {
		return "", "", "", fmt.Errorf("invalid spec: %s: empty section between colons", s)
	}
	switch len(parts) {
	case 1:
		return "", parts[0], "", nil
	case 2:
		if validVolumeMode(parts[1]) { // /foo:rw: a target alone takes no mode
			return "", "", "", fmt.Errorf("invalid volume specification: '%s'", s)
		}
		return parts[0], parts[1], "", nil
	case 3:
		if !validVolumeMode(parts[2]) {
			return "", "", "", fmt.Errorf("invalid mode: %s", parts[2])
		}
		return parts[0], parts[1], parts[2], nil
	}
	return "", "", "", fmt.Errorf("invalid spec: %s: too many colons", s)
}

// propagations are the kinds of mount propagation that a bind may have.
var propagations = []string{"private", "rprivate", "slave", "rslave", "shared", "rshared"}

// volumeModes are the words of a -v mode. One of each group may be given.
var volumeModes = [...][]string{
	{"ro", "rw"},
	{"z", "Z"},
	propagations,
	{"nocopy", "copy"},
	{"consistent", "cached", "delegated"}, // of Docker Desktop; they mean nothing on Linux
	// podman's
	{"bind", "rbind"},
	{"exec", "noexec"},
	{"dev", "nodev"},
	{"suid", "nosuid"},
	{"U"},
	{"O"},
	{"idmap"},
	{"upperdir"},
	{"workdir"},
}

func validVolumeMode(mode string) bool {
	var seen [len(volumeModes)]bool
	for _, word := range strings.Split(mode, ",") {
		if key, value, ok := strings.Cut(word, "="); ok && value != "" && slices.Contains([]string{"idmap", "upperdir", "workdir"}, key) {
			word = key
		}
		group := slices.IndexFunc(volumeModes[:], func(g []string) bool { return slices.Contains(g, word) })
		if group < 0 || seen[group] {
			return false
		}
		seen[group] = true
	}
	return true
}

// applyMode sets what the words of a valid mode say.
func (m *Mount) applyMode(mode string) {
	for _, word := range strings.Split(mode, ",") {
		key, value, _ := strings.Cut(word, "=")
		switch {
		case word == "ro":
			m.ReadOnly = true
		case word == "bind":
			m.NonRecursive = true
		case word == "U":
			m.Chown = true
		case word == "O":
			m.Overlay = true
		case key == "idmap":
			m.IDMap = cmp.Or(value, idMapAuto)
		case key == "upperdir":
			m.Upper = value
		case key == "workdir":
			m.Work = value
		case slices.Contains(mountWords, word):
			m.Options = append(m.Options, word)
		case word == "z" || word == "Z":
			m.Relabel = word
		case word == "nocopy":
			m.NoCopy = true
		case slices.Contains(propagations, word):
			m.Propagation = word
		}
	}
}

// check says what is wrong with a mount, in moby's words (validateMountConfigImpl).
func (m *Mount) check() error {
	if m.Type == MountGlob && m.Target == "" {
		return m.checkBind()
	}
	err := m.checkTarget()
	if err == nil {
		switch m.Type {
		case MountBind, MountGlob:
			err = m.checkBind()
		case MountVolume:
			err = m.checkVolume()
		case MountTmpfs, MountRamfs:
			err = m.checkTmpfs()
		case MountImage:
			err = m.checkImage()
		case MountDevpts:
			if m.Source != "" {
				err = errors.New("field Source must not be specified")
			}
		case "artifact", "cluster", "npipe":
			return fmt.Errorf("mounts of type %q are not supported", m.Type)
		default:
			err = errors.New("mount type unknown")
		}
	}
	if err == nil {
		err = m.checkOverlay()
	}
	if err != nil {
		return fmt.Errorf("invalid mount config for type %q: %w", m.Type, err)
	}
	return nil
}

// checkOverlay looks at what podman's options say together.
func (m *Mount) checkOverlay() error {
	switch {
	case m.Upper+m.Work != "" && !m.Overlay:
		return errors.New("upperdir and workdir need an overlay (O)")
	case (m.Upper == "") != (m.Work == ""):
		return errors.New("upperdir and workdir must be specified together")
	case m.Upper != "" && !(path.IsAbs(m.Upper) && path.IsAbs(m.Work)):
		return errors.New("upperdir and workdir must be absolute")
	case m.Overlay && m.ReadOnly:
		return errors.New("an overlay (O) is there to be written to: it cannot be read-only")
	case m.Overlay && m.Subpath != "":
		return errors.New("an overlay (O) cannot be of a part of a volume")
	case m.Chown && m.IDMap != "":
		return errors.New("what has other owners already (idmap) cannot be given to the container's user (U)")
	case m.Overlay && m.IDMap != "":
		return errors.New("an overlay (O) cannot have other owners (idmap)")
	case (m.Overlay || m.Chown || m.IDMap != "") && m.Type != MountBind && m.Type != MountVolume:
		return errors.New("U, O and idmap are for binds and volumes")
	}
	if m.IDMap != "" && m.IDMap != idMapAuto {
		_, err := ParseIDMap(m.IDMap)
		return err
	}
	return nil
}

func (m *Mount) checkImage() error {
	switch {
	case m.Source == "":
		return errors.New("field Source must not be empty")
	case m.Subpath != "" && !filepath.IsLocal(m.Subpath):
		return errors.New("subpath must be a relative path within the image")
	}
	return nil
}

// mountWords are options of one mount that -v and --mount take as they are.
var mountWords = []string{"exec", "noexec", "dev", "nodev", "suid", "nosuid"}

func (m *Mount) checkTarget() error {
	if m.Target == "" {
		return errors.New("field Target must not be empty")
	}
	return checkMountPoint(m.Target)
}

// checkMountPoint refuses the root and relative paths.
func checkMountPoint(target string) error {
	if path.Clean(target) == "/" {
		return errors.New("invalid specification: destination can't be '/'")
	}
	return checkAbsolute(target)
}

func checkAbsolute(p string) error {
	if !path.IsAbs(p) {
		return fmt.Errorf("invalid mount path: '%s' mount path must be absolute", p)
	}
	if strings.ContainsRune(p, 0) {
		return fmt.Errorf("invalid mount path: %q has a NUL byte", p)
	}
	return nil
}

func (m *Mount) checkBind() error {
	switch {
	case m.Source == "":
		return errors.New("field Source must not be empty")
	case m.Propagation != "" && !slices.Contains(propagations, m.Propagation):
		return fmt.Errorf("invalid propagation mode: %s", m.Propagation)
	case m.NoCopy || m.Subpath != "":
		return errors.New("field VolumeOptions must not be specified")
	}
	return checkAbsolute(m.Source)
}

func (m *Mount) checkVolume() error {
	switch {
	case m.Propagation != "":
		return errors.New("field BindOptions must not be specified")
	case m.Subpath != "" && m.Source == "":
		return errors.New("must not set Subpath when using anonymous volumes")
	case m.Subpath != "" && !filepath.IsLocal(m.Subpath):
		return errors.New("subpath must be a relative path within the volume")
	case m.Source == "":
		return nil
	}
	return CheckVolumeName(m.Source)
}

func (m *Mount) checkTmpfs() error {
	if m.Source != "" {
		return errors.New("field Source must not be specified")
	}
	return checkTmpfsOptions(m.Options)
}

// clean gives the mount with its paths in shortest form. An anonymous volume is marked.
func (m *Mount) clean() Mount {
	c := *m
	c.Target = path.Clean(c.Target)
	if c.Type == MountBind {
		c.Source = path.Clean(c.Source)
	}
	c.Anonymous = c.Type == MountVolume && c.Source == ""
	return c
}

// CheckVolumeName refuses what is no name for a volume, with Docker's words.
func CheckVolumeName(name string) error {
	if len(name) == 1 {
		return errors.New("volume name is too short, names should be at least two alphanumeric characters")
	}
	if !validName(name) {
		return fmt.Errorf("%q includes invalid characters for a local volume name, only %q are allowed. "+
			"If you intended to pass a host directory, use absolute path", name, "[a-zA-Z0-9][a-zA-Z0-9_.-]")
	}
	return nil
}

// validName says whether a name of a container or a volume has the form [a-zA-Z0-9][a-zA-Z0-9_.-]+.
func validName(name string) bool {
	for i, c := range []byte(name) {
		switch {
		case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9':
		case i > 0 && (c == '_' || c == '.' || c == '-'):
		default:
			return false
		}
	}
	return len(name) > 1
}

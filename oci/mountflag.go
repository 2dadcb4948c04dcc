package oci

import (
	"encoding/csv"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"codeberg.org/hoy/hoy/oci/plan"
)

// ParseMount reads --mount key=value,… ; a source that begins with a dot is taken from cwd. Checks and messages are those of
// docker/cli's opts/mount.go. That a bind's source exists (or Create is set) is left to the engine.
func ParseMount(s, cwd string) (Mount, error) {
	s = strings.TrimSpace(s)
	if s == "" {
		return Mount{}, errors.New("value is empty")
	}
	fields, err := csv.NewReader(strings.NewReader(s)).Read()
	if err != nil {
		return Mount{}, err
	}
	p := mountParser{cwd: cwd, mount: Mount{Type: MountVolume}}
	for _, field := range fields {
		if err := p.field(field); err != nil {
			return Mount{}, err
		}
	}
	if err := p.finish(); err != nil {
		return Mount{}, err
	}
	return p.mount.clean(), nil
}

// mountParser collects the fields of one --mount. groups are the kinds of options that were used: "bind", "volume", "tmpfs", "image".
type mountParser struct {
	cwd    string
	mount  Mount
	groups []string
	force  bool // bind-recursive=readonly
	write  bool // rw
}

// flagFields may stand without a value.
var flagFields = []string{
	"readonly", "ro", "volume-nocopy", "bind-nonrecursive", "bind-create-src", "bind-idmap",
	"rw", "readwrite", "u", "chown", "idmap", "notmpcopyup", "tmpcopyup", "o", "exec", "noexec", "dev", "nodev", "suid", "nosuid",
}

// field takes one key=value.
func (p *mountParser) field(field string) error {
	key, value, hasValue := strings.Cut(field, "=")
	if k := strings.TrimSpace(key); k != key {
		return fmt.Errorf("invalid option '%s' in '%s': option should not have whitespace", k, field)
	}
	if hasValue {
		trimmed := strings.TrimSpace(value)
		if trimmed == "" {
			return fmt.Errorf("invalid value for '%s': value is empty", key)
		}
		if trimmed != value {
			return fmt.Errorf("invalid value for '%s' in '%s': value should not have whitespace", key, field)
		}
	}
	key = strings.ToLower(key)
	if !hasValue && !slices.Contains(flagFields, key) {
		return fmt.Errorf("invalid field '%s' must be a key=value pair", field)
	}
	if !hasValue {
		value = "true"
	}
	if group, _, ok := strings.Cut(key, "-"); ok {
		p.groups = append(p.groups, group)
	}
	return p.set(key, value, field)
}

// set sets what one field says.
func (p *mountParser) set(key, value, field string) (err error) {
	m := &p.mount
	switch key {
	case "type":
		m.Type = MountType(strings.ToLower(value))
	case "source", "src":
		m.Source = value
		if strings.HasPrefix(value, ".") {
			m.Source = filepath.Join(p.cwd, value)
		}
	case "target", "dst", "destination":
		m.Target = value
	case "readonly", "ro":
		if value == "recursive" { // as it is anyway
			value = "true"
		}
		m.ReadOnly, err = parseFlag(key, value)
	case "rw", "readwrite":
		p.write, err = parseFlag(key, value)
		m.ReadOnly = !p.write
	case "consistency": // of Docker Desktop; it means nothing on Linux
	case "bind-propagation":
		m.Propagation = strings.ToLower(value)
	case "bind-nonrecursive":
		m.NonRecursive, err = parseFlag(key, value)
	case "bind-recursive":
		return p.recursive(key, value)
	case "bind-create-src":
		m.Create, err = parseFlag(key, value)
	case "volume-subpath", "image-subpath", "subpath":
		m.Subpath = strings.TrimPrefix(value, "/")
	case "volume-nocopy":
		m.NoCopy, err = parseFlag(key, value)
	case "tmpfs-size", "tmpfs-mode":
		return p.tmpfs(key, value)
	case "volume-driver":
		if value != "local" {
			return fmt.Errorf("volume driver %q is not supported", value)
		}
	case "volume-label":
		addTo(&m.VolumeLabels, value)
	case "volume-opt":
		addTo(&m.VolumeOptions, value)
	default:
		return p.setMore(key, value, field)
	}
	return err
}

// setMore sets what podman's fields say.
func (p *mountParser) setMore(key, value, field string) (err error) {
	m := &p.mount
	switch key {
	case "u", "chown":
		m.Chown, err = parseFlag(key, value)
	case "o":
		m.Overlay, err = parseFlag(key, value)
	case "upperdir":
		m.Upper = value
	case "workdir":
		m.Work = value
	case "idmap", "bind-idmap":
		if m.IDMap = value; value == "true" {
			m.IDMap = idMapAuto
		}
	case "relabel":
		m.Relabel, err = relabel(value)
	case "tmpcopyup":
		m.CopyUp, err = parseFlag(key, value)
	case "notmpcopyup":
	case "exec", "noexec", "dev", "nodev", "suid", "nosuid":
		m.Options = append(m.Options, key)
	case "uid", "gid", "mode", "max":
		m.Options = append(m.Options, key+"="+value)
	default:
		return fmt.Errorf("unknown option '%s' in '%s'", key, field)
	}
	return err
}

// relabel gives the letter that -v has for --mount's words.
func relabel(word string) (string, error) {
	switch word {
	case "shared":
		return "z", nil
	case "private":
		return "Z", nil
	}
	return "", fmt.Errorf("invalid value for 'relabel': %s (must be \"shared\" or \"private\")", word)
}

func addTo(to *map[string]string, pair string) {
	if *to == nil {
		*to = map[string]string{}
	}
	key, value, _ := strings.Cut(pair, "=")
	(*to)[key] = value
}

func (p *mountParser) recursive(key, value string) error {
	switch value {
	case "enabled":
	case "disabled":
		p.mount.NonRecursive = true
	case "writable":
		p.mount.TopOnly = true
	case "readonly":
		p.force = true // it is always so, or an error
	default:
		return fmt.Errorf(`invalid value for %s: %s (must be "enabled", "disabled", "writable", or "readonly")`, key, value)
	}
	return nil
}

func (p *mountParser) tmpfs(key, value string) error {
	bad := fmt.Errorf("invalid value for %s: %s", key, value)
	if key == "tmpfs-size" {
		size, err := ParseBytes(value)
		if err != nil {
			return bad
		}
		p.mount.Options = append(p.mount.Options, "size="+strconv.FormatInt(size, 10))
		return nil
	}
	mode, err := strconv.ParseUint(value, 8, 32)
	if err != nil {
		return bad
	}
	p.mount.Options = append(p.mount.Options, "mode="+strconv.FormatUint(mode, 8))
	return nil
}

// finish checks the fields against each other.
func (p *mountParser) finish() error {
	m := &p.mount
	for _, group := range []string{"bind", "volume", "image", "tmpfs"} {
		if slices.Contains(p.groups, group) && string(m.Type) != group {
			return fmt.Errorf("cannot mix '%s-*' options with mount type '%s'", group, m.Type)
		}
	}
	if m.Type == MountImage {
		m.ReadOnly = !p.write
	}
	switch {
	case m.TopOnly && !m.ReadOnly:
		return errors.New("option 'bind-recursive=writable' requires 'readonly' to be specified in conjunction")
	case p.force && !m.ReadOnly:
		return errors.New("option 'bind-recursive=readonly' requires 'readonly' to be specified in conjunction")
	case p.force && m.Propagation != "rprivate":
		return errors.New("option 'bind-recursive=readonly' requires 'bind-propagation=rprivate' to be specified in conjunction")
	}
	return m.check()
}

// parseFlag reads the value of a field that says yes or no.
func parseFlag(key, value string) (bool, error) {
	switch value {
	case "1", "true":
		return true, nil
	case "0", "false":
		return false, nil
	}
	return false, fmt.Errorf(`invalid value for '%s': invalid boolean value (%q): must be one of "true", "1", "false", or "0" (default "true")`, key, value)
}

// ParseTmpfs reads --tmpfs TARGET[:OPTIONS]. The options come after Docker's (noexec, nosuid, nodev) and so win over them.
func ParseTmpfs(s string) (Mount, error) {
	target, options, _ := strings.Cut(s, ":")
	if err := checkMountPoint(target); err != nil {
		return Mount{}, err
	}
	m := Mount{Type: MountTmpfs, Target: target}
	var words []string
	if options != "" {
		words = strings.Split(options, ",")
	}
	for _, o := range words {
		switch o {
		case "tmpcopyup":
			m.CopyUp = true
		case "notmpcopyup":
		default:
			m.Options = append(m.Options, o)
		}
	}
	if err := checkTmpfsOptions(m.Options); err != nil {
		return Mount{}, err
	}
	return m.clean(), nil
}

// tmpfsData are the options of tmpfs(5) that Docker lets through.
var tmpfsData = []string{"size", "mode", "uid", "gid", "nr_inodes", "nr_blocks", "mpol"}

// checkTmpfsOptions refuses what is neither an option of tmpfs nor of all mounts (moby/sys/mount, MergeTmpfsOptions).
func checkTmpfsOptions(options []string) error {
	for _, o := range options {
		key, _, hasValue := strings.Cut(o, "=")
		if hasValue && slices.Contains(tmpfsData, key) || !hasValue && (o == "defaults" || plan.IsMountWord(o)) {
			continue
		}
		return fmt.Errorf("invalid tmpfs option [%q]", o)
	}
	return nil
}

// Package cdi finds devices by their names in the files of the Container Device Interface, and puts what they need into a container's Config.
//
// It follows version 1.0 of the specification (tags.cncf.io/container-device-interface, SPEC.md), whose library would bring more than it saves.
package cdi

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"codeberg.org/hoy/hoy/oci"
)

// Dirs are where the files are; those of a later directory win. HOY_CDI_DIRS, separated by colons, says otherwise.
func Dirs() []string {
	if dirs := os.Getenv("HOY_CDI_DIRS"); dirs != "" {
		return filepath.SplitList(dirs)
	}
	return []string{"/etc/cdi", "/var/run/cdi"}
}

// qualified is vendor/class=name.
var qualified = regexp.MustCompile(`^([a-zA-Z][a-zA-Z0-9_.-]*)/([a-zA-Z][a-zA-Z0-9_.-]*)=([a-zA-Z0-9][a-zA-Z0-9_.:-]*)$`)

// IsName says whether a --device is the name of a CDI device.
func IsName(s string) bool { return qualified.MatchString(s) }

// Registry are the devices that there are.
type Registry struct {
	devices map[string]device // by qualified name
	clash   map[string]bool   // named twice in one directory: they name nothing
	broken  []error           // files that cannot be read
}

// device is what one needs besides what all devices of its file do.
type device struct {
	file  *file
	edits *edits
}

// file is one CDI file, as far as hoy knows it.
type file struct {
	Version string `yaml:"cdiVersion"`
	Kind    string `yaml:"kind"`
	Devices []struct {
		Name  string `yaml:"name"`
		Edits edits  `yaml:"containerEdits"`
	} `yaml:"devices"`
	Edits edits `yaml:"containerEdits"`
}

// edits are what a device needs.
type edits struct {
	Env         []string `yaml:"env"`
	DeviceNodes []struct {
		Path        string `yaml:"path"`
		HostPath    string `yaml:"hostPath"`
		Permissions string `yaml:"permissions"`
	} `yaml:"deviceNodes"`
	Mounts []struct {
		HostPath      string   `yaml:"hostPath"`
		ContainerPath string   `yaml:"containerPath"`
		Options       []string `yaml:"options"`
		Type          string   `yaml:"type"`
	} `yaml:"mounts"`
	Hooks          []hook    `yaml:"hooks"`
	AdditionalGIDs []uint32  `yaml:"additionalGids"`
	IntelRdt       yaml.Node `yaml:"intelRdt"`
	NetDevices     yaml.Node `yaml:"netDevices"`
}

// Read reads the files of the directories. One that is broken is told of when a device is not found.
func Read(dirs []string) *Registry {
	r := &Registry{devices: map[string]device{}, clash: map[string]bool{}}
	for _, dir := range dirs {
		entries, err := os.ReadDir(dir)
		if err != nil {
			if !errors.Is(err, fs.ErrNotExist) {
				r.broken = append(r.broken, err)
			}
			continue
		}
		seen := map[string]bool{} // in this directory
		for _, e := range entries {
			switch filepath.Ext(e.Name()) {
			case ".json", ".yaml", ".yml":
				if err := r.readFile(filepath.Join(dir, e.Name()), seen); err != nil {
					r.broken = append(r.broken, err)
				}
			}
		}
	}
	return r
}

func (r *Registry) readFile(name string, seen map[string]bool) error {
	data, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	var f file
	if err := yaml.Unmarshal(data, &f); err != nil { // which JSON is too
		return fmt.Errorf("%s: %w", name, err)
	}
	if !strings.HasPrefix(f.Version, "0.") && !strings.HasPrefix(f.Version, "1.") {
		return fmt.Errorf("%s: unknown cdiVersion %q", name, f.Version)
	}
	for i := range f.Devices {
		d := &f.Devices[i]
		full := f.Kind + "=" + d.Name
		if !IsName(full) {
			return fmt.Errorf("%s: %q is no device name", name, full)
		}
		r.clash[full] = seen[full]
		seen[full] = true
		r.devices[full] = device{&f, &d.Edits}
	}
	return nil
}

// Find gives an error for the names that are no devices: Docker's.
func (r *Registry) Find(names []string) error {
	var missing []string
	for _, n := range names {
		if r.devices[n].file == nil || r.clash[n] {
			missing = append(missing, n)
		}
	}
	if missing == nil {
		return nil
	}
	err := fmt.Errorf("CDI device injection failed: unresolvable CDI devices %s", strings.Join(missing, ", "))
	return errors.Join(append([]error{err}, r.broken...)...)
}

// Has says whether there is a device of a kind.
func (r *Registry) Has(kind string) bool {
	for name := range r.devices {
		if strings.HasPrefix(name, kind+"=") {
			return true
		}
	}
	return false
}

// Apply puts what the devices need into c: nodes, mounts, variables, groups and hooks. What a file says of all its devices is needed once. What hoy cannot
// do for a device is an error.
func (r *Registry) Apply(c *oci.Config, names []string) error {
	if err := r.Find(names); err != nil {
		return err
	}
	applied := map[*edits]bool{}
	for _, n := range names {
		d := r.devices[n]
		for _, e := range []*edits{&d.file.Edits, d.edits} {
			if applied[e] {
				continue
			}
			applied[e] = true
			if err := e.apply(c); err != nil {
				return fmt.Errorf("CDI device %s: %w", n, err)
			}
		}
	}
	return nil
}

func (e *edits) apply(c *oci.Config) error {
	if !e.IntelRdt.IsZero() || !e.NetDevices.IsZero() {
		return errors.New("intelRdt and netDevices are not supported")
	}
	c.Env = oci.MergeEnv(c.Env, e.Env)
	for _, d := range e.DeviceNodes {
		from, mode := d.HostPath, d.Permissions
		if from == "" {
			from = d.Path
		}
		if mode == "" {
			mode = "rwm"
		}
		c.Devices = append(slices.Clip(c.Devices), oci.Device{Source: from, Target: d.Path, Permissions: mode})
	}
	for _, m := range e.Mounts {
		if m.Type != "" && m.Type != "bind" && m.Type != "none" {
			return fmt.Errorf("a mount of type %q is not supported", m.Type)
		}
		c.Mounts = append(slices.Clip(c.Mounts), bind(m.HostPath, m.ContainerPath, m.Options))
	}
	for _, g := range e.AdditionalGIDs {
		if g != 0 { // the specification: 0 is passed over
			c.GroupAdd = append(slices.Clip(c.GroupAdd), strconv.FormatUint(uint64(g), 10))
		}
	}
	return addHooks(c, e.Hooks)
}

func bind(from, to string, options []string) oci.Mount {
	m := oci.Mount{Type: oci.MountBind, Source: from, Target: to}
	for _, o := range options {
		switch o {
		case "ro":
			m.ReadOnly = true
		case "rbind", "rw":
		case "bind":
			m.NonRecursive = true
		case "private", "rprivate", "shared", "rshared", "slave", "rslave":
			m.Propagation = o
		default:
			m.Options = append(m.Options, o)
		}
	}
	return m
}

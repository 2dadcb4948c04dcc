package oci

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// mounts sets Docker's mounts, without those in whose place the user mounts something, and then the container's own.
func (s *specBuilder) mounts() error {
	own, err := s.ownMounts()
	if err != nil {
		return err
	}
	taken := map[string]bool{}
	for _, m := range own {
		taken[m.Destination] = true
	}
	for _, m := range defaultMounts() {
		if taken[m.Destination] || taken["/dev"] && strings.HasPrefix(m.Destination, "/dev/") {
			continue
		}
		if m, ok := s.adapt(m); ok {
			s.g.AddMount(m)
		}
	}
	for _, m := range own {
		s.g.AddMount(m)
	}
	return nil
}

// adapt changes one of Docker's mounts to the container and the host. false leaves it out.
func (s *specBuilder) adapt(m specs.Mount) (specs.Mount, bool) {
	c, host := s.c, s.o.Host
	switch m.Destination {
	case "/proc":
		if s.inUserns() && c.PidMode == "host" { // proc shows a PID namespace, and only its owner mounts it
			return fromHost("/proc", "nosuid", "noexec", "nodev"), true
		}
	case "/dev/pts":
		if s.inUserns() && !s.ttyGroup() {
			m.Options = without(m.Options, "gid=5")
		}
	case "/sys":
		if s.inUserns() && c.Network == "host" { // sysfs shows a network namespace
			m = fromHost("/sys", "nosuid", "noexec", "nodev", "rro")
		}
		if c.Privileged {
			m.Options = without(m.Options, "ro", "rro")
		}
	case "/sys/fs/cgroup":
		sec, err := c.Security() // read before: it is right
		if c.Privileged || err == nil && sec.WritableCgroups {
			m.Options = without(m.Options, "ro")
		}
		return m, len(host.Cgroups) > 0
	case "/dev/mqueue":
		if c.IpcMode == "host" && s.inUserns() { // else the host's queues are mounted anew: not every host has them there
			return fromHost("/dev/mqueue", "nosuid", "noexec", "nodev"), true
		}
	case "/dev/shm":
		return s.adaptShm(m)
	}
	return m, true
}

// ttyGroup says whether the container has the group that terminals belong to.
func (s *specBuilder) ttyGroup() bool {
	const tty = 5
	if s.c.IDMap == nil {
		return s.o.Host.TTYGroup
	}
	_, ok := s.c.IDMap.GID(tty)
	return ok
}

func (s *specBuilder) adaptShm(m specs.Mount) (specs.Mount, bool) {
	switch s.c.IpcMode {
	case "none":
		return m, false
	case "host":
		return fromHost("/dev/shm", "nosuid", "noexec", "nodev"), true
	}
	if s.o.ShmOf != "" {
		return fromHost("/dev/shm", "nosuid", "noexec", "nodev"), true // Plan says whose
	}
	size := s.c.ShmSize
	if size == 0 {
		size = defaultShm
	}
	m.Options = append(m.Options, "size="+strconv.FormatInt(size, 10))
	return m, true
}

// fromHost is a mount of the host's, at the same place.
func fromHost(place string, options ...string) specs.Mount {
	return specs.Mount{Destination: place, Type: "bind", Source: place, Options: append([]string{"rbind"}, options...)}
}

func without(options []string, words ...string) []string {
	return slices.DeleteFunc(options, func(o string) bool { return slices.Contains(words, o) })
}

// ownMounts are the user's mounts and the image's volumes, and the files below /etc that the engine writes, those at the fewest
// directories' depth first: so none hides another.
func (s *specBuilder) ownMounts() ([]specs.Mount, error) {
	own := make([]specs.Mount, 0, len(s.c.Mounts)+len(s.o.Etc))
	for i := range s.c.Mounts {
		m, err := s.ownMount(&s.c.Mounts[i])
		if err != nil {
			return nil, err
		}
		own = append(own, m)
	}
	for _, target := range slices.Sorted(maps.Keys(s.o.Etc)) {
		if slices.ContainsFunc(own, func(m specs.Mount) bool { return m.Destination == target }) {
			continue
		}
		m := specs.Mount{Destination: target, Type: "bind", Source: s.o.Etc[target], Options: []string{"rbind", "rprivate"}}
		if s.c.ReadOnly {
			m.Options = append(m.Options, "ro")
		}
		own = append(own, m)
	}
	slices.SortStableFunc(own, func(a, b specs.Mount) int {
		return strings.Count(a.Destination, "/") - strings.Count(b.Destination, "/")
	})
	return own, nil
}

// ownMount translates one mount of the user's.
func (s *specBuilder) ownMount(m *Mount) (specs.Mount, error) {
	if m.Type == MountTmpfs || m.Type == MountDevpts || m.Type == MountRamfs {
		return newFileSystem(m), nil
	}
	out := specs.Mount{Destination: m.Target, Type: "bind", Source: m.Source, Options: bindOptions(m)}
	if m.Type == MountVolume {
		if m.Source == "" || s.o.VolumePath == nil {
			return out, fmt.Errorf("volume at %s has no place", m.Target)
		}
		out.Source = path.Join(s.o.VolumePath(m.Source), m.Subpath)
	}
	if m.FileSystem() {
		out.Type, out.Source = m.VolumeOptions["type"], m.VolumeOptions["device"]
		out.Options = append(strings.Split(m.VolumeOptions["o"], ","), m.Options...)
		if m.ReadOnly {
			out.Options = append(out.Options, "ro")
		}
		return out, nil
	}
	s.shareRoot(m.Propagation)
	return out, nil
}

// newFileSystem translates a mount that has no source.
func newFileSystem(m *Mount) specs.Mount {
	options := []string{"noexec", "nosuid", "nodev", "rprivate"}
	if m.Type == MountDevpts {
		options = []string{"noexec", "nosuid", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}
	}
	options = append(options, m.Options...)
	if m.ReadOnly {
		options = append(options, "ro")
	}
	return specs.Mount{Destination: m.Target, Type: string(m.Type), Source: string(m.Type), Options: options}
}

// bindOptions are the options of a bind: Docker makes a read-only one so with all that is mounted below it.
func bindOptions(m *Mount) []string {
	options := []string{"rbind"}
	if m.NonRecursive {
		options[0] = "bind"
	}
	switch {
	case m.ReadOnly && (m.TopOnly || m.NonRecursive):
		options = append(options, "ro")
	case m.ReadOnly:
		options = append(options, "rro")
	}
	if m.Propagation == "" {
		return append(append(options, "rprivate"), m.Options...)
	}
	return append(append(options, m.Propagation), m.Options...)
}

// shareRoot sets the propagation of the root that a mount's needs: what is mounted in the container can only reach the host, or the
// other way round, when the root is not private.
func (s *specBuilder) shareRoot(propagation string) {
	linux := s.g.Config.Linux
	switch strings.TrimPrefix(propagation, "r") {
	case "shared":
		linux.RootfsPropagation = "shared"
	case "slave":
		if linux.RootfsPropagation == "" {
			linux.RootfsPropagation = "rslave"
		}
	}
}

// devices sets the nodes beyond the default ones, and what the device cgroup allows.
func (s *specBuilder) devices() error {
	if !s.c.Privileged {
		s.deviceRules()
	} else {
		for _, d := range s.o.HostDevices {
			s.g.AddDevice(d)
		}
		s.allow(specs.LinuxDeviceCgroup{Allow: true, Access: "rwm"})
	}
	for _, d := range s.c.Devices {
		if s.c.Privileged && d.Source == d.Target {
			continue // it is there
		}
		if err := s.addDevice(d); err != nil {
			return err
		}
	}
	return nil
}

// deviceRules sets Docker's device cgroup: deny all, but for these.
func (s *specBuilder) deviceRules() {
	s.allow(specs.LinuxDeviceCgroup{Access: "rwm"})
	for _, r := range defaultDeviceRules {
		s.allow(specs.LinuxDeviceCgroup{Allow: r.allow, Type: "c", Major: &r.major, Minor: &r.minor, Access: "rwm"})
	}
}

// allow adds a line of the device cgroup, which a user namespace cannot have.
func (s *specBuilder) allow(r specs.LinuxDeviceCgroup) {
	if !s.o.Rootless {
		s.g.AddLinuxResourcesDevice(r.Allow, r.Type, r.Major, r.Minor, r.Access)
	}
}

// addDevice adds one --device, or all nodes below it when it is a directory.
func (s *specBuilder) addDevice(d Device) error {
	if s.o.Device == nil {
		return fmt.Errorf("no way to look at device %s", d.Source)
	}
	nodes, err := s.o.Device(d.Source)
	if err != nil {
		return err
	}
	for _, n := range nodes {
		n.Path = d.Target + strings.TrimPrefix(n.Path, d.Source)
		s.g.AddDevice(n)
		if !s.c.Privileged {
			s.allow(specs.LinuxDeviceCgroup{Allow: true, Type: n.Type, Major: &n.Major, Minor: &n.Minor, Access: d.Permissions})
		}
	}
	return nil
}

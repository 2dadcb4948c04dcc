package oci

import (
	"fmt"
	"slices"
	"strings"

	"codeberg.org/hoy/hoy/oci/plan"
)

// The parts of an SELinux label that --security-opt label= leaves as they are (container-selinux(8)).
var labelDefaults = []struct{ key, value string }{
	{"user", "system_u"}, {"role", "system_r"}, {"type", "container_t"}, {"level", "s0"},
}

// fileRole and fileType are those of the label of what the container's root holds.
const fileRole, fileType = "object_r", "container_file_t"

// NeedsLabels says whether a security module of the host has to know the container.
func (s *Security) NeedsLabels() bool {
	return s.profile() != "" || len(s.Labels) > 0 && !slices.Contains(s.Labels, "disable")
}

// profile is the AppArmor profile that is asked for.
func (s *Security) profile() string {
	if s.AppArmor == unconfined {
		return ""
	}
	return s.AppArmor
}

// CheckLabels says what the host cannot do of --security-opt apparmor= and label=.
func (s *Security) CheckLabels(h Host) error {
	switch {
	case s.profile() != "" && !h.AppArmor:
		return fmt.Errorf("--security-opt apparmor=%s: this host has no AppArmor", s.AppArmor)
	case !s.NeedsLabels() || s.profile() != "" && len(s.Labels) == 0:
		return nil
	case !h.SELinux:
		return fmt.Errorf("--security-opt label=%s: this host has no SELinux", s.Labels[0])
	}
	_, _, err := s.selinux()
	return err
}

// selinux gives the labels of the process and of its files; none when no part is given.
func (s *Security) selinux() (process, file string, err error) {
	if len(s.Labels) == 0 || slices.Contains(s.Labels, "disable") {
		return "", "", nil
	}
	parts := make([]string, len(labelDefaults))
	for i, d := range labelDefaults {
		parts[i] = d.value
	}
	for _, l := range s.Labels {
		key, value, _ := strings.Cut(l, ":")
		i := slices.IndexFunc(labelDefaults, func(d struct{ key, value string }) bool { return d.key == key })
		if i < 0 || value == "" {
			return "", "", fmt.Errorf("bad label option %q, valid options are 'disable' or 'user, role, level, type' followed by ':' and a value", l)
		}
		parts[i] = value
	}
	file = strings.Join([]string{parts[0], fileRole, fileType, parts[3]}, ":")
	return strings.Join(parts, ":"), file, nil
}

// labels sets what the security modules of the host are to know the container as.
func (s *specBuilder) labels(sec *Security) error {
	if err := sec.CheckLabels(s.o.Host); err != nil {
		return err
	}
	process, file, err := sec.selinux()
	if err != nil {
		return err
	}
	profile := sec.profile()
	if sec.AppArmor == "" && !s.c.Privileged && s.o.Host.Confines {
		profile = plan.DockerProfile
	}
	s.g.SetProcessApparmorProfile(profile)
	s.g.SetProcessSelinuxLabel(process)
	s.g.SetLinuxMountLabel(file)
	return nil
}

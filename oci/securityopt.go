package oci

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Security is what Config.SecurityOpt says.
type Security struct {
	NoNewPrivileges bool
	Seccomp         string   // "" or "builtin": the default profile; "unconfined"; else a profile in JSON
	AppArmor        string   // "" default, "unconfined", or a profile's name
	Labels          []string // SELinux: "disable", "type:T", "level:L" …
	Mask, Unmask    []string // paths; Unmask may have patterns, and {"ALL"} (also of systempaths=unconfined) unmasks everything
	WritableCgroups bool
}

// The values of security options that mean no confinement, or the engine's own.
const (
	unconfined = "unconfined"
	builtin    = "builtin"
)

// Security reads c.SecurityOpt. Messages are Docker's (daemon_unix.go, parseSecurityOpt).
func (c *Config) Security() (Security, error) {
	var s Security
	for _, opt := range c.SecurityOpt {
		key, value, ok := cutSecurityOpt(opt)
		if !ok && !slices.Contains(bareSecurityOpts, opt) {
			return s, fmt.Errorf("invalid --security-opt 1: %q", opt)
		}
		if err := s.set(key, value); err != nil {
			return s, fmt.Errorf("invalid --security-opt 2: %q", opt)
		}
	}
	return s, nil
}

// bareSecurityOpts may stand without a value.
var bareSecurityOpts = []string{"no-new-privileges", "writable-cgroups", "disable"}

// cutSecurityOpt takes key=value, or the old key:value, apart.
func cutSecurityOpt(opt string) (key, value string, ok bool) {
	if key, value, ok = strings.Cut(opt, "="); ok {
		return key, value, true
	}
	return strings.Cut(opt, ":")
}

// set takes one option.
func (s *Security) set(key, value string) (err error) {
	switch key {
	case "label":
		s.Labels = append(s.Labels, value)
	case "disable":
		s.Labels = append(s.Labels, "disable")
	case "apparmor":
		s.AppArmor = value
	case "seccomp":
		s.Seccomp = value
	case "no-new-privileges":
		s.NoNewPrivileges, err = boolOr(value, true)
	case "writable-cgroups":
		s.WritableCgroups, err = boolOr(value, true)
	case "systempaths":
		if value != unconfined {
			return strconv.ErrSyntax
		}
		s.Unmask = append(s.Unmask, "ALL")
	case "mask":
		s.Mask, err = appendPaths(s.Mask, value)
	case "unmask":
		if strings.EqualFold(value, "ALL") {
			s.Unmask = append(s.Unmask, "ALL")
			return nil
		}
		s.Unmask, err = appendPaths(s.Unmask, value)
	default:
		return strconv.ErrSyntax
	}
	return err
}

// boolOr reads a truth value; without a text it is or.
func boolOr(s string, or bool) (bool, error) {
	if s == "" {
		return or, nil
	}
	return strconv.ParseBool(s)
}

// appendPaths adds the paths of a:b:c, each absolute.
func appendPaths(list []string, value string) ([]string, error) {
	for _, p := range strings.Split(value, ":") {
		if _, err := path.Match(p, ""); err != nil || !path.IsAbs(p) {
			return nil, strconv.ErrSyntax
		}
		list = append(list, path.Clean(p))
	}
	return list, nil
}

// ReadSecurityOpts replaces seccomp=FILE by the file's content, so that a container can be started again without the file. The
// command line calls it before it stores the options. read is os.ReadFile but in tests. Messages are docker/cli's.
func ReadSecurityOpts(opts []string, read func(string) ([]byte, error)) ([]string, error) {
	out := make([]string, 0, len(opts))
	for _, opt := range opts {
		key, value, ok := cutSecurityOpt(opt)
		if !ok && !slices.Contains(bareSecurityOpts, opt) {
			return nil, fmt.Errorf("invalid --security-opt: %q", opt)
		}
		if key == "seccomp" && value != unconfined && value != builtin {
			data, err := read(value)
			if err != nil {
				return nil, fmt.Errorf("opening seccomp profile (%s) failed: %w", value, err)
			}
			var b bytes.Buffer
			if err := json.Compact(&b, data); err != nil {
				return nil, fmt.Errorf("compacting json for seccomp profile (%s) failed: %w", value, err)
			}
			opt = "seccomp=" + b.String()
		}
		out = append(out, opt)
	}
	return out, nil
}

// systemPaths applies --security-opt mask, unmask and systempaths to the lists of paths.
func (s *Security) systemPaths(masked, readonly []string) (m, r []string) {
	if !slices.Contains(s.Unmask, "ALL") {
		hidden := func(p string) bool {
			return slices.ContainsFunc(s.Unmask, func(u string) bool { return matches(u, p) })
		}
		m, r = slices.DeleteFunc(masked, hidden), slices.DeleteFunc(readonly, hidden)
	}
	return append(m, s.Mask...), r
}

// SystemPaths are the paths of the kernel's file systems that the container finds empty, and those that it cannot change. Of the masked ones those
// that the host has for each of its CPUs are left out.
func (c *Config) SystemPaths() (masked, readonly []string) {
	sec, err := c.Security()
	if err != nil || c.Privileged {
		return sec.Mask, nil
	}
	return sec.systemPaths(defaultMasked(0), defaultReadonly())
}

// matches says whether p is the path pattern, or one that it describes ("/proc/*").
func matches(pattern, p string) bool {
	ok, err := path.Match(pattern, p)
	return err == nil && ok
}

package oci

import (
	"path"
	"strings"
	"testing"

	"codeberg.org/hoy/hoy/oci/plan"
)

// FuzzParseDevice: both paths are absolute and clean, and the permissions are some of rwm.
func FuzzParseDevice(f *testing.F) {
	for _, s := range []string{"/dev/null", "/dev/a:/dev/b:rw", "/dev/a:m", "a=b", ":", "/x/../y:/z/.", "/dev/a:rr"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := ParseDevice(s)
		if err != nil {
			return
		}
		if !strings.HasPrefix(d.Source, "/") && !strings.Contains(d.Source, "=") {
			t.Errorf("%q: source %q", s, d.Source)
		}
		if d.Target != "" && strings.HasPrefix(d.Source, "/") && (path.Clean(d.Target) != d.Target || d.Target[0] != '/') {
			t.Errorf("%q: target %q", s, d.Target)
		}
		if strings.Trim(d.Permissions, "rwm") != "" {
			t.Errorf("%q: permissions %q", s, d.Permissions)
		}
	})
}

// FuzzParseSysctl: what is allowed is one setting of a namespace (CVE-2022-0811).
func FuzzParseSysctl(f *testing.F) {
	for _, s := range []string{"net.ipv4.ip_forward=1", "kernel.sem=1+kernel.core_pattern=|x", "net/../kernel/core_pattern=x", "fs.mqueue.x=1\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		key, value, err := ParseSysctl(s)
		if err != nil {
			return
		}
		if !plan.IsNetSysctl(key) && !plan.IsIPCSysctl(key) || strings.ContainsAny(key, "+ \n") || strings.Contains(key, "..") || strings.ContainsAny(value, "\n\x00") {
			t.Errorf("%q: %q = %q", s, key, value)
		}
	})
}

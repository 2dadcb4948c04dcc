package oci

import (
	"fmt"
	"path"
	"strconv"
	"strings"
	"syscall"

	"github.com/docker/go-units"
	"golang.org/x/sys/unix"

	"codeberg.org/hoy/hoy/oci/plan"
)

// ParseDevice reads --device SOURCE[:TARGET[:PERMISSIONS]] or SOURCE:PERMISSIONS. Messages are docker/cli's.
func ParseDevice(s string) (Device, error) {
	parts := strings.Split(s, ":")
	if len(parts) > 3 || parts[0] == "" {
		return Device{}, fmt.Errorf("bad format for path: %s", s)
	}
	d := Device{Source: parts[0], Target: parts[0], Permissions: "rwm"}
	switch {
	case len(parts) == 3:
		d.Target, d.Permissions = parts[1], parts[2]
	case len(parts) == 2 && validDeviceMode(parts[1]):
		d.Permissions = parts[1]
	case len(parts) == 2:
		d.Target = parts[1]
	}
	if !validDeviceMode(d.Permissions) {
		return Device{}, fmt.Errorf("bad mode specified: %s", d.Permissions)
	}
	for _, p := range []string{d.Target, d.Source} {
		if !path.IsAbs(p) {
			return Device{}, fmt.Errorf("%s is not an absolute path", p)
		}
	}
	d.Source, d.Target = path.Clean(d.Source), path.Clean(d.Target)
	return d, nil
}

// validDeviceMode says whether mode is made of r, w and m, each at most once.
func validDeviceMode(mode string) bool {
	for i, c := range mode {
		if !strings.ContainsRune("rwm", c) || strings.ContainsRune(mode[:i], c) {
			return false
		}
	}
	return mode != ""
}

// ParseUlimit reads --ulimit NAME=SOFT[:HARD]; -1 is unlimited.
func ParseUlimit(s string) (Ulimit, error) {
	u, err := units.ParseUlimit(s)
	if err != nil {
		return Ulimit{}, err
	}
	return Ulimit{Name: u.Name, Soft: u.Soft, Hard: u.Hard}, nil
}

// ParseBytes reads a size such as 64m, 1.5g or 1024: bytes, in powers of 1024.
func ParseBytes(s string) (int64, error) { return units.RAMInBytes(s) }

// ParseLabels reads --label K[=V] values; a later one wins.
func ParseLabels(list []string) (map[string]string, error) {
	labels := make(map[string]string, len(list))
	for _, s := range list {
		key, value, _ := strings.Cut(s, "=")
		key = strings.TrimLeft(key, blanks)
		if key == "" {
			return nil, fmt.Errorf("invalid label '%s': empty name", s)
		}
		if strings.ContainsAny(key, blanks) {
			return nil, fmt.Errorf("label '%s' contains whitespaces", key)
		}
		labels[key] = value
	}
	return labels, nil
}

// ParseSysctl reads --sysctl K=V. Only what belongs to the container's namespaces may be set; a key cannot smuggle in a second
// one (CVE-2022-0811).
func ParseSysctl(s string) (key, value string, err error) {
	key, value, ok := strings.Cut(s, "=")
	if !ok || !plan.ValidSysctl(key) || strings.ContainsAny(value, "\n\x00") {
		return "", "", fmt.Errorf("sysctl '%s' is not allowed", s)
	}
	return key, value, nil
}

// ParseSignal reads a signal's name, with or without SIG, or its number. RTMIN+n and RTMAX-n are known.
func ParseSignal(s string) (syscall.Signal, error) {
	bad := fmt.Errorf("invalid signal: %s", s)
	if n, err := strconv.Atoi(s); err == nil {
		if n < 1 || n > sigRTMax {
			return 0, bad
		}
		return syscall.Signal(n), nil
	}
	name := strings.TrimPrefix(strings.ToUpper(s), "SIG")
	if sig := unix.SignalNum("SIG" + name); sig != 0 {
		return sig, nil
	}
	base, sign := sigRTMin, 1
	offset, ok := strings.CutPrefix(name, "RTMIN")
	if !ok {
		if offset, ok = strings.CutPrefix(name, "RTMAX"); !ok {
			return 0, bad
		}
		base, sign = sigRTMax, -1
	}
	if offset == "" {
		return syscall.Signal(base), nil
	}
	n, err := strconv.Atoi(offset)
	if err != nil || n*sign < 0 || base+n < sigRTMin || base+n > sigRTMax {
		return 0, bad
	}
	return syscall.Signal(base + n), nil
}

// The real-time signals that programs see: glibc keeps the two below for itself.
const (
	sigRTMin = 34
	sigRTMax = 64
)

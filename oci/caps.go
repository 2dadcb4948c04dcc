package oci

import (
	"fmt"
	"strings"

	"codeberg.org/hoy/hoy/oci/plan"
)

// DefaultCaps are the capabilities that Docker gives a container (moby daemon/pkg/oci/caps/defaults.go), a bit a capability.
const DefaultCaps = uint64(1<<0 | 1<<1 | 1<<3 | 1<<4 | 1<<5 | 1<<6 | 1<<7 | 1<<8 | 1<<10 | 1<<13 | 1<<18 | 1<<27 | 1<<29 | 1<<31)

// Caps are the capabilities of c's container on a host whose bounding set is given (0: all), a bit a capability. What the
// host does not have is left out of Docker's own (runc does so too), and an error when it is asked for by name. The order of
// --cap-add and --cap-drop does not matter (moby TweakCapabilities).
func (c *Config) Caps(bounding uint64) (uint64, error) {
	if bounding == 0 {
		bounding = plan.AllCaps
	}
	add, addAll, err := capOptions("CapAdd", c.CapAdd)
	if err != nil {
		return 0, err
	}
	drop, dropAll, err := capOptions("CapDrop", c.CapDrop)
	if err != nil {
		return 0, err
	}
	switch {
	case c.Privileged:
		return bounding, nil
	case add&^bounding != 0:
		return 0, fmt.Errorf("invalid CapAdd: capability not supported by your kernel or not available in the current environment: %q",
			plan.CapNames(add &^ bounding)[0])
	case addAll:
		return bounding &^ drop, nil
	case dropAll:
		return add, nil
	}
	return bounding & (DefaultCaps&^drop | add), nil
}

// capOptions reads the values of --cap-add or --cap-drop. all: ALL is among them.
func capOptions(what string, list []string) (set uint64, all bool, err error) {
	for _, name := range list {
		if strings.EqualFold(name, "ALL") {
			all = true
			continue
		}
		n, err := plan.ParseCap(name)
		if err != nil {
			return 0, false, fmt.Errorf("invalid %s: %w", what, err)
		}
		set |= 1 << n
	}
	return set, all, nil
}

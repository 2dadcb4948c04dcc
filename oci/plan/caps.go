package plan

import (
	"fmt"
	"math/bits"
	"slices"
	"strings"
)

// capNames are the capabilities by number (linux/capability.h).
var capNames = [...]string{
	"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_SETGID", "CAP_SETUID",
	"CAP_SETPCAP", "CAP_LINUX_IMMUTABLE", "CAP_NET_BIND_SERVICE", "CAP_NET_BROADCAST", "CAP_NET_ADMIN", "CAP_NET_RAW",
	"CAP_IPC_LOCK", "CAP_IPC_OWNER", "CAP_SYS_MODULE", "CAP_SYS_RAWIO", "CAP_SYS_CHROOT", "CAP_SYS_PTRACE", "CAP_SYS_PACCT",
	"CAP_SYS_ADMIN", "CAP_SYS_BOOT", "CAP_SYS_NICE", "CAP_SYS_RESOURCE", "CAP_SYS_TIME", "CAP_SYS_TTY_CONFIG", "CAP_MKNOD",
	"CAP_LEASE", "CAP_AUDIT_WRITE", "CAP_AUDIT_CONTROL", "CAP_SETFCAP", "CAP_MAC_OVERRIDE", "CAP_MAC_ADMIN", "CAP_SYSLOG",
	"CAP_WAKE_ALARM", "CAP_BLOCK_SUSPEND", "CAP_AUDIT_READ", "CAP_PERFMON", "CAP_BPF", "CAP_CHECKPOINT_RESTORE",
}

// AllCaps has a bit for each capability that is known.
const AllCaps = uint64(1)<<len(capNames) - 1

// ParseCap gives the number of a capability: with or without CAP_, in any case.
func ParseCap(name string) (int, error) {
	full := strings.ToUpper(name)
	if !strings.HasPrefix(full, "CAP_") {
		full = "CAP_" + full
	}
	n := slices.Index(capNames[:], full)
	if n < 0 {
		return 0, fmt.Errorf("unknown capability: %q", full)
	}
	return n, nil
}

// CapSet gives the bits of a list of capabilities.
func CapSet(names []string) (uint64, error) {
	set := uint64(0)
	for _, name := range names {
		n, err := ParseCap(name)
		if err != nil {
			return 0, err
		}
		set |= 1 << n
	}
	return set, nil
}

// CapNames gives the names of the bits of a set, by number.
func CapNames(set uint64) []string {
	names := make([]string, 0, bits.OnesCount64(set))
	for n, name := range capNames {
		if set>>n&1 == 1 {
			names = append(names, name)
		}
	}
	return names
}

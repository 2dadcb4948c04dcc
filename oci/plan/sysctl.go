package plan

import "strings"

// ipcSysctls belong to the IPC namespace (as fs.mqueue.* do), net.* to the network namespace.
var ipcSysctls = []string{"kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem", "kernel.shmall", "kernel.shmmax",
	"kernel.shmmni", "kernel.shm_rmid_forced"}

// ValidSysctl says whether a key names one setting, of an IPC or a network namespace.
func ValidSysctl(key string) bool {
	for _, c := range []byte(key) {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("._-/", c) >= 0) {
			return false
		}
	}
	if strings.Contains(key, "..") || strings.Contains(key, "//") || strings.Contains(key, "./") || strings.Contains(key, "/.") {
		return false
	}
	return IsIPCSysctl(key) || IsNetSysctl(key)
}

// IsNetSysctl says whether a setting belongs to the network namespace.
func IsNetSysctl(key string) bool { return strings.HasPrefix(key, "net.") && len(key) > len("net.") }

// IsIPCSysctl says whether a setting belongs to the IPC namespace.
func IsIPCSysctl(key string) bool {
	for _, k := range ipcSysctls {
		if k == key {
			return true
		}
	}
	return strings.HasPrefix(key, "fs.mqueue.")
}

// Package rootless enters the user namespace that an ordinary user's containers need, and says what a host lacks for it.
//
// It is called from a package initialiser, before any wide library is initialised, so it imports the standard library
// and golang.org/x/sys only.
package rootless

import (
	"os"
	"strconv"
	"strings"
	"sync"
)

// The environment tells the inner half of a rootless call, and containers/storage in it, whom they work for.
const (
	envUID = "HOY_ROOTLESS_UID"
	envGID = "HOY_ROOTLESS_GID"
	// envFiles are the numbers of the files that Inside passed on.
	envFiles = "HOY_ROOTLESS_FILES"
	// envAgain is, for the inner half, the number and the inode of the pipe by which it says Again, and how often one has said it:
	// "FD,INODE;COUNT". For the outer half that starts over it is what was said: ";COUNT,PID".
	envAgain = "HOY_ROOTLESS_AGAIN"
)

// Rootless says whether an ordinary user runs this hoy, inside or outside of the user namespace.
func Rootless() bool { return UID() != 0 }

// InUserns says whether this process is in a user namespace other than the host's first: one whose map is not the identity (user_namespaces(7)).
func InUserns() bool { return inUserns() }

var inUserns = sync.OnceValue(func() bool {
	uidMap, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		return false
	}
	return strings.Join(strings.Fields(string(uidMap)), " ") != "0 0 4294967295"
})

// UID is the host uid of the user who runs hoy: 0 for root.
func UID() int { return hostID(os.Geteuid(), envUID) }

// GID is the host gid of the user who runs hoy: 0 for root.
func GID() int { return hostID(os.Getegid(), envGID) }

// hostID believes the environment only in a user namespace, so that root on the host is root whatever the variable says.
func hostID(id int, env string) int {
	if id != 0 || os.Getenv(env) == "" || !InUserns() {
		return id
	}
	if host, err := strconv.Atoi(os.Getenv(env)); err == nil && host > 0 {
		return host
	}
	return id
}

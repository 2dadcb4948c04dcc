package carry

import (
	"runtime"

	"golang.org/x/sys/unix"

	"codeberg.org/hoy/hoy/oci/child"
	"codeberg.org/hoy/hoy/oci/userns"
)

// nobody is the owner of what has no owner on the other side of a map (the kernel's overflow id).
const nobody = 65534

// shift gives owners on the other side of a map; nil leaves them.
func shift(m *userns.Map, uid, gid int) (int, int) {
	if m == nil {
		return uid, gid
	}
	u, ok := m.UID(uint32(uid))
	if !ok {
		u = nobody
	}
	g, ok := m.GID(uint32(gid))
	if !ok {
		g = nobody
	}
	return int(u), int(g)
}

// asRoot runs f as who the root of a container with the map is on this side: what is made meanwhile belongs to it. An owner without a
// counterpart on disk could make nothing there. What this process may do stays.
func asRoot(m *userns.Map, f func() error) error {
	if m == nil {
		return f()
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	uid, gid := shift(m, 0, 0)
	if err := child.SetFSIDs(uid, gid); err != nil {
		return err
	}
	defer child.SetFSIDs(unix.Geteuid(), unix.Getegid())
	return f()
}

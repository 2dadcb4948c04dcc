package engine

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"codeberg.org/hoy/hoy/engine/ahead"
	"codeberg.org/hoy/hoy/engine/rootless"
	"codeberg.org/hoy/hoy/netns/space"
	"codeberg.org/hoy/hoy/oci"
	"codeberg.org/hoy/hoy/oci/child"
	"codeberg.org/hoy/hoy/oci/inroot"
	"codeberg.org/hoy/hoy/oci/userns"
)

// ownIDs gives a container that is being made the id map of its user namespace, if it has one of its own. Until release is called no other
// container is given ids (--userns auto).
func (e *Engine) ownIDs(r *record, layers []string) (release func(), err error) {
	release = func() {}
	u, err := r.Userns()
	if err != nil || u.Kind == oci.UsernsHost {
		return release, err
	}
	host, err := e.idHost()
	if err != nil {
		return release, err
	}
	switch u.Kind {
	case oci.UsernsContainer:
		r.IDMap, err = e.idsOf(u.Container)
	case oci.UsernsAuto:
		if release, err = e.lockIDs(); err == nil {
			r.IDMap, err = e.freeIDs(&u, host, r, layers)
		}
	default:
		r.IDMap, err = u.Resolve(host)
	}
	if err != nil {
		release()
		return func() {}, err
	}
	if u.Kind == oci.UsernsKeepID {
		keepUser(r, &u, host)
	}
	return release, nil
}

// keepUser makes the user's own id that of the container's process, and a user of the image's files (podman).
func keepUser(r *record, u *oci.Userns, host *oci.IDHost) {
	uid, gid := host.UID, host.GID
	if u.UID != nil {
		uid = *u.UID
	}
	if u.GID != nil {
		gid = *u.GID
	}
	if !r.userTyped {
		r.User = fmt.Sprintf("%d:%d", uid, gid)
	}
	if r.Accounts.UserEntry == "" {
		name := cmp.Or(rootless.UserName(int(host.UID)), "user")
		r.Accounts.UserEntry = name + ":*:$UID:$GID:" + name + ":$HOME:/bin/sh"
	}
	r.Accounts.User = true
}

// idHost is what id maps depend on of the host and of who runs hoy.
func (e *Engine) idHost() (*oci.IDHost, error) {
	h := &oci.IDHost{Rootless: e.o.Rootless, UID: uint32(rootless.UID()), GID: uint32(rootless.GID())}
	for file, to := range map[string]*[]userns.Range{"uid_map": &h.Namespace.UIDs, "gid_map": &h.Namespace.GIDs} {
		data, err := os.ReadFile("/proc/self/" + file)
		if err != nil {
			return nil, err
		}
		if *to, err = userns.ParseRanges(string(data)); err != nil {
			return nil, fmt.Errorf("/proc/self/%s: %w", file, err)
		}
	}
	return h, nil
}

// idsOf is the map of the container whose user namespace is to be shared. It runs, for nobody else can be joined.
func (e *Engine) idsOf(ref string) (*userns.Map, error) {
	other, err := e.joinable(ref, "user")
	if err != nil {
		return nil, err
	}
	return other.Config.IDMap, nil
}

// joinable finds a running container whose namespace is to be joined.
func (e *Engine) joinable(ref, kind string) (*Container, error) {
	other, err := e.Find(ref)
	if err != nil {
		return nil, err
	}
	if err := other.usable(); err != nil {
		return nil, err
	}
	if !other.Running() {
		return nil, fmt.Errorf("cannot join %s namespace of a non running container: %s", kind, other.ID())
	}
	return other, nil
}

// usernsPath is the user namespace of another container that c shares; "": it makes its own, or has none.
func (e *Engine) usernsPath(c *Container) (string, error) {
	u, err := c.Config.Userns()
	if err != nil || u.Kind != oci.UsernsContainer || c.Config.IDMap == nil {
		return "", err
	}
	other, err := e.joinable(u.Container, "user")
	if err != nil {
		return "", err
	}
	if other.Config.IDMap == nil || !other.Config.IDMap.Equal(c.Config.IDMap) {
		return "", fmt.Errorf("container %s has other ids now than when %s was made", other.Name(), c.Name())
	}
	return "/proc/" + strconv.Itoa(other.State.Pid) + "/ns/user", nil
}

// newNetwork makes a network namespace that the container's root may rule, or takes that of its process.
func (e *Engine) newNetwork(c *Container, early *ahead.Process) (*os.File, error) {
	if c.Config.IDMap == nil {
		return space.New()
	}
	path, err := e.usernsPath(c)
	if err != nil {
		return nil, err
	}
	if path == "" {
		ns, err := early.Network(c.Config.IDMap)
		if ns == nil && err == nil {
			return space.NewWith(c.Config.IDMap)
		}
		return space.Up(ns, err)
	}
	user, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer user.Close()
	return space.NewIn(user)
}

// lockIDs takes the lock under which containers are given ids.
func (e *Engine) lockIDs() (release func(), err error) {
	dir := e.place("").Containers()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	return lockFile(filepath.Join(dir, "ids.lock"), unix.LOCK_EX)
}

// The ids of --userns auto: as root the subordinate ids of the user "containers" (as podman has it), and on a host without such a user those that
// systemd's list of ids leaves free for all time (https://systemd.io/UIDS-GIDS).
const (
	autoUser  = "containers"
	autoFirst = 0x70000000
	autoCount = 0x0fff0000
	autoLeast = 1024 // a container has so many ids at least
)

// freeIDs gives a container ids that no other has.
func (e *Engine) freeIDs(u *oci.Userns, host *oci.IDHost, r *record, layers []string) (*userns.Map, error) {
	size := u.Size
	if size == 0 {
		size = max(autoLeast, highestID(layers, r.User)+1)
	}
	uids, gids := rootless.SubIDs(autoUser)
	switch {
	case e.o.Rootless:
		uids, gids = host.Subordinate()
	case len(uids) == 0 || len(gids) == 0:
		uids = []userns.Range{{Inside: autoFirst, Outside: autoFirst, Count: autoCount}}
		gids = uids
	}
	used, err := e.usedIDs()
	if err != nil {
		return nil, err
	}
	uid, err := oci.FreeRange(uids, used.UIDs, size)
	if err != nil {
		return nil, fmt.Errorf("--userns auto: %w", err)
	}
	gid, err := oci.FreeRange(gids, used.GIDs, size)
	if err != nil {
		return nil, fmt.Errorf("--userns auto: %w", err)
	}
	return u.Auto(host, userns.Range{Outside: uid, Count: size}, userns.Range{Outside: gid, Count: size})
}

// usedIDs are the ids of all containers with --userns auto.
func (e *Engine) usedIDs() (used userns.Map, err error) {
	ids, err := e.ids()
	if err != nil {
		return used, err
	}
	for _, id := range ids {
		r, err := readRecord(e.place(id))
		if errors.Is(err, ErrNoContainer) {
			continue
		}
		if err != nil {
			return used, fmt.Errorf("--userns auto: the ids of a container cannot be read: %w", err)
		}
		if r.IDMap != nil && strings.HasPrefix(r.UsernsMode, string(oci.UsernsAuto)) {
			used.UIDs, used.GIDs = append(used.UIDs, r.IDMap.UIDs...), append(used.GIDs, r.IDMap.GIDs...)
		}
	}
	return used, nil
}

// highestID is the largest id that an image's users and groups have, and of the user it is to be run as.
func highestID(layers []string, user string) uint32 {
	highest := uint32(0)
	note := func(word string) {
		const limit = 1 << 20 // an image does not take all ids for one line
		if n, err := strconv.ParseUint(word, 10, 32); err == nil && n != 65534 && n < limit {
			highest = max(highest, uint32(n))
		}
	}
	for _, word := range strings.SplitN(user, ":", 2) {
		note(word)
	}
	for _, name := range []string{"/etc/passwd", "/etc/group"} {
		for line := range strings.Lines(topFile(layers, name)) {
			for i, field := range strings.Split(strings.TrimSpace(line), ":") {
				if i == 2 || i == 3 && name == "/etc/passwd" {
					note(field)
				}
			}
		}
	}
	return highest
}

// topFile reads a file of an image from the first layer that has it.
func topFile(layers []string, name string) string {
	proc, err := os.Open("/proc")
	if err != nil {
		return ""
	}
	defer proc.Close()
	for _, dir := range layers {
		fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			continue
		}
		data, err := inroot.Root(fd).ReadFile(int(proc.Fd()), name, 1<<20)
		unix.Close(fd)
		if err == nil {
			return string(data)
		}
	}
	return ""
}

// mapped says whether the kernel shows files with the owners that a container's ids give them, so that none with others are needed on disk. It does when
// there are no such ids. What was found out once is remembered for the device.
func (e *Engine) mapped(ids *userns.Map, early *ahead.Process) (bool, error) {
	var st unix.Stat_t
	if ids == nil || e.o.Rootless || unix.Stat(e.o.Root, &st) != nil {
		return ids == nil, nil
	}
	dir := filepath.Join(e.o.Root, "cache")
	known := filepath.Join(dir, fmt.Sprintf("maps-ids-%x", st.Dev))
	if _, err := os.Lstat(known); err == nil {
		return true, nil
	}
	ns, err := early.Userns(ids)
	if err == nil && ns == nil {
		ns, err = userns.New(ids)
	}
	if err != nil {
		return false, err
	}
	defer ns.Close()
	can := child.CanMapIDs(e.o.Root, ns)
	if can && os.MkdirAll(dir, 0o700) == nil {
		_ = os.WriteFile(known, nil, 0o600)
	}
	return can, nil
}

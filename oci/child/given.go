package child

import (
	"fmt"
	"os"

	"codeberg.org/hoy/hoy/oci/child/wire"
	"codeberg.org/hoy/hoy/oci/userns"
	"golang.org/x/sys/unix"
)

// Given is a source of a bind that the parent opens for the child, which cannot: the files get other owners.
// It travels as a descriptor in a message of its own, in the order of Start.Given.
type Given struct {
	Mount int // the number of the mount in Plan.Mounts
	What  givenFile
}

// givenFile says which file of a source it is.
type givenFile int

const (
	givenMount givenFile = iota
	givenDir             // the directory of a volume that is to be filled
	givenLock            // the file beside it
)

// Opened is a Given on the parent's side.
type Opened struct {
	Given
	File *os.File
}

// given says whether the parent opens the source of m.
func (p *Plan) given(m *Mount) bool {
	return m.IDMap != nil || m.Of != "" || p.Userns != nil && (m.Type == "" || m.Type == "bind" || m.Layers != nil)
}

// OpenGiven opens what the parent has to open for the child, whose own user namespace is ns, or nil, and whose root is the open mount root, which is
// -1 when the child makes it. The caller closes the files.
func OpenGiven(p *Plan, ns *os.File, root int) (list []Opened, err error) {
	defer func() {
		if err != nil {
			for _, o := range list {
				o.File.Close()
			}
			list, err = nil, AsStep("sources", err)
		}
	}()
	b := &birth{plan: p, idmap: ns}
	for i := range p.Mounts {
		m := &p.Mounts[i]
		if !p.given(m) {
			continue
		}
		got, err := b.openForChild(m)
		if err == nil && m.Adopt {
			err = adopt(m, got, &p.Userns.Map)
		}
		if err == nil && m.Chown && ns != nil {
			err = b.giveToUser(got, root)
		}
		if err != nil {
			got.close()
			if m.Optional {
				continue
			}
			return list, at(m.Target, err)
		}
		list = append(list, Opened{Given{i, givenMount}, os.NewFile(uintptr(got.fd), m.Source)})
		if v := got.volume; v != nil {
			list = append(list, Opened{Given{i, givenDir}, os.NewFile(uintptr(v.dir), m.Source)})
			list = append(list, Opened{Given{i, givenLock}, os.NewFile(uintptr(v.lock), "copyup")})
		}
	}
	return list, nil
}

// close lets go of a mount that is not used.
func (m mounted) close() {
	if m.fd > 0 {
		unix.Close(m.fd)
	}
	if m.volume != nil {
		m.volume.close()
	}
}

// takeGiven receives the sources that the parent has opened.
func (b *birth) takeGiven() error {
	b.given = make(map[int]mounted, len(b.Start.Given))
	for _, g := range b.Start.Given {
		fd, err := b.takeFile()
		if err != nil {
			return err
		}
		m := b.given[g.Mount]
		if err := m.take(g.What, fd); err != nil {
			return err
		}
		b.given[g.Mount] = m
	}
	return nil
}

// takeFile receives one open file.
func (b *birth) takeFile() (fd int, err error) {
	kind, _, fd, err := b.conn.Recv()
	if err == nil && (kind != wire.Source || fd < 0) {
		err = fmt.Errorf("unexpected message %q", kind)
	}
	return fd, err
}

// take adds one file to what is known of a source.
func (m *mounted) take(what givenFile, fd int) error {
	switch what {
	case givenDir:
		m.volume = &volume{dir: fd}
		return nil
	case givenLock:
		m.volume.lock = fd
		return nil
	}
	st, err := fstat(fd)
	m.fd, m.dir = fd, isDir(st)
	return err
}

// takeSource gives the source that the parent has opened for the mount with this number.
func (b *birth) takeSource(i int) mounted {
	got, ok := b.given[i]
	got.skipped = !ok // optional, and not there
	return got
}

// openForChild opens one source, with the container's ids where it is an overlay.
func (b *birth) openForChild(m *Mount) (got mounted, err error) {
	if m.Layers == nil {
		return b.openBind(m)
	}
	if b.userns, err = selfInUserns(); err != nil {
		return got, err
	}
	onThread(func() {
		if err = b.plan.actFor(*m.Layers, b.idmap); err == nil {
			got, err = b.openLayers(m)
		}
	})
	return got, err
}

// giveToUser gives a source to the container's user, who is looked up in the container's root.
func (b *birth) giveToUser(source mounted, root int) error {
	proc, err := openHostProc()
	if err != nil {
		return err
	}
	defer unix.Close(proc)
	ids, _, err := Resolve(UserFiles{rootOf(root), proc}, b.plan.User, nil)
	if err != nil {
		return err
	}
	uid, ok := b.plan.Userns.Map.UID(ids.UID)
	gid, ok2 := b.plan.Userns.Map.GID(ids.GID)
	if !ok || !ok2 {
		return because("", "the container's user has no id outside", unix.EINVAL)
	}
	return giveTree(source, IDs{UID: uid, GID: gid})
}

// mapIDs shows the files of a detached bind with the owners of m.IDMap. It needs privilege over the file system's user namespace, so
// root of the host for what is on the host's disks.
func (b *birth) mapIDs(m *Mount, fd int) error {
	if m.IDMap == nil {
		return nil
	}
	ns := b.idmap
	if ns == nil || !m.IDMap.Equal(&b.plan.Userns.Map) {
		var err error
		if ns, err = userns.New(m.IDMap); err != nil {
			return at(m.Source, err)
		}
		defer ns.Close()
	}
	recursive := uint(0)
	if m.Recursive {
		recursive = unix.AT_RECURSIVE
	}
	if err := mapTo(fd, recursive, int(ns.Fd())); err != nil {
		return because(m.Source, idmapHint(err), err)
	}
	return nil
}

// adopt gives a volume to the container's root when it is empty and was never filled: it is about to be (fill), or the container's to write to.
func adopt(m *Mount, got mounted, ids *userns.Map) error {
	dir, err := unix.Open(m.Source, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return at(m.Source, err)
	}
	defer unix.Close(dir)
	names, err := list(dir)
	if err != nil || len(names) > 0 || got.volume != nil && got.volume.state() != 0 {
		return at(m.Source, err)
	}
	st, err := fstat(dir)
	if err != nil || st.Uid != 0 {
		return at(m.Source, err)
	}
	uid, _ := ids.UID(0)
	gid, _ := ids.GID(0)
	return at(m.Source, unix.Fchown(dir, int(uid), int(gid)))
}

// mapTo gives a detached mount, with AT_RECURSIVE those below it too, the id map of a user namespace.
func mapTo(fd int, recursive uint, ns int) error {
	return setAttrs(fd, recursive, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_IDMAP, Userns_fd: uint64(ns)})
}

func idmapHint(err error) string {
	switch err {
	case unix.EPERM:
		return "map ids: only root of the host may, and no mount twice"
	case unix.EINVAL:
		return "map ids: the file system cannot"
	}
	return "map ids"
}

// CanMapIDs says whether this process may show the files below a directory with the owners that the map of ns gives them.
func CanMapIDs(dir string, ns *os.File) bool {
	tree, err := mappedTree(dir, ns)
	if err != nil {
		return false
	}
	release(tree)
	return true
}

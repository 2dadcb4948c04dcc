package child

import (
	"path"

	"codeberg.org/hoy/hoy/oci/inroot"
	"golang.org/x/sys/unix"
)

// volume is a directory of the host's that an image may fill, and the file beside it that is its lock and memory.
type volume struct{ dir, lock int }

// What the file beside a volume says. An empty file says nothing: nobody has filled the volume.
const (
	filling = 'f' // it was being filled; a crash left it so when the lock is free
	filled  = 'd'
)

func (b *birth) openVolume(m *Mount) (*volume, error) {
	source := m.Source
	beside := path.Join(path.Dir(source), "copyup")
	lock, err := unix.Open(beside, unix.O_RDWR|unix.O_CREAT|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, at(beside, err)
	}
	dir, err := b.openVolumeDir(m)
	if err != nil {
		unix.Close(lock)
		return nil, at(source, err)
	}
	return &volume{dir, lock}, nil
}

// openVolumeDir opens the directory to be filled, with its mount's id map, but not read-only as the mount may be.
func (b *birth) openVolumeDir(m *Mount) (int, error) {
	const flags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_CLOEXEC
	if m.IDMap == nil {
		return unix.Open(m.Source, flags, 0)
	}
	writable, err := openTree(unix.AT_FDCWD, m.Source, false)
	if err != nil {
		return -1, err
	}
	defer unix.Close(writable.fd)
	if err := b.mapIDs(&Mount{Source: m.Source, IDMap: m.IDMap}, writable.fd); err != nil {
		return -1, err
	}
	return unix.Openat(writable.fd, ".", flags, 0)
}

func (v *volume) close() {
	unix.Close(v.dir)
	unix.Close(v.lock)
}

func (v *volume) state() byte {
	var b [1]byte
	_, _ = unix.Pread(v.lock, b[:], 0)
	return b[0]
}

func (v *volume) setState(s byte) error {
	_, err := unix.Pwrite(v.lock, []byte{s}, 0)
	return err
}

// openDir opens a directory of the container's to be read; -1 when there is none.
func (b *birth) openDir(target string) (int, error) {
	from, err := b.root.Open(target, unix.O_PATH|unix.O_DIRECTORY)
	if err == unix.ENOENT || err == unix.ENOTDIR {
		return -1, nil
	}
	if err != nil {
		return -1, err
	}
	defer unix.Close(from)
	return inroot.Reopen(b.proc, from, unix.O_RDONLY|unix.O_DIRECTORY)
}

// fill copies what the image has at target into a volume that nobody has filled yet, with ownership and mode, as Docker
// does on first use. It comes before the volume is mounted there. A volume that holds anything is left alone (CVE-2020-1726); one whose filling was
// cut short is filled up. Two containers that start on one new volume wait for each other.
func (b *birth) fill(target string, v *volume) error {
	src, err := b.openDir(target)
	if err != nil || src < 0 {
		return err
	}
	defer unix.Close(src)
	if err := unix.Flock(v.lock, unix.LOCK_EX); err != nil {
		return err
	}
	return v.fillFrom(src, b.proc)
}

func (v *volume) fillFrom(src, proc int) error {
	names, err := list(v.dir)
	if err != nil {
		return err
	}
	state := v.state()
	if state == filled || state != filling && len(names) > 0 {
		return nil
	}
	if names, err = list(src); err != nil {
		return err
	}
	if len(names) > 0 {
		if err := v.setState(filling); err != nil {
			return err
		}
	}
	c := copier{proc: proc, links: map[inode]int{}, again: state == filling}
	defer c.close()
	if err := c.tree(src, v.dir); err != nil || len(names) == 0 {
		return err
	}
	return v.setState(filled)
}

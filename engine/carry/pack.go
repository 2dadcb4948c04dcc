package carry

import (
	"archive/tar"
	"bufio"
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"codeberg.org/hoy/hoy/oci/userns"
)

// Source is a file to be packed: Base in the open directory Dir, which is called Name in the archive. A Base of "." is Dir itself; without
// a Name only what is in the directory is packed.
type Source struct {
	Dir  int
	Base string
	Name string
	IDs  *userns.Map // from the files' owners to those in the archive; nil: the same
}

// Pack writes a tar of the source and all below it to w. No symbolic link is followed, sockets are left out, and a file that changes its
// length meanwhile is cut or filled with zeros, so that the archive stays whole.
func Pack(ctx context.Context, w io.Writer, s Source) error {
	buf := bufio.NewWriterSize(w, 128<<10)
	p := &packer{ctx: ctx, ids: s.IDs, tar: tar.NewWriter(buf), seen: map[inode]string{}, buf: make([]byte, 128<<10)}
	if err := p.entry(s.Dir, s.Base, s.Name); err != nil {
		return err
	}
	if err := p.tar.Close(); err != nil {
		return err
	}
	return buf.Flush()
}

// inode tells files apart.
type inode struct{ dev, ino uint64 }

type packer struct {
	ctx  context.Context
	ids  *userns.Map
	tar  *tar.Writer
	seen map[inode]string // the first name of each file with several
	buf  []byte
}

// entry packs one name in a directory. One that has gone since the directory was read is left out, but for the first.
func (p *packer) entry(dir int, base, name string) error {
	if err := p.ctx.Err(); err != nil {
		return err
	}
	fd, st, err := openNoFollow(dir, base)
	if err == unix.ENOENT && len(p.seen) > 0 {
		return nil
	}
	if err != nil {
		return pathError("open", name, err)
	}
	defer unix.Close(fd)
	hdr, err := header(fd, name, &st)
	if err != nil || hdr == nil {
		return err
	}
	if hdr.Typeflag == tar.TypeDir {
		p.seen[inode{st.Dev, st.Ino}] = hdr.Name
		return p.directory(fd, hdr, name)
	}
	if first, ok := p.seen[inode{st.Dev, st.Ino}]; ok && st.Nlink > 1 {
		hdr.Typeflag, hdr.Linkname, hdr.Size = tar.TypeLink, first, 0
	}
	p.seen[inode{st.Dev, st.Ino}] = hdr.Name
	if hdr.Typeflag == tar.TypeReg {
		return p.file(fd, hdr)
	}
	return p.header(hdr)
}

func (p *packer) header(hdr *tar.Header) error {
	hdr.Uid, hdr.Gid = shift(p.ids, hdr.Uid, hdr.Gid)
	if err := p.tar.WriteHeader(hdr); err != nil {
		return fmt.Errorf("tar %s: %w", hdr.Name, err)
	}
	return nil
}

func (p *packer) directory(fd int, hdr *tar.Header, name string) error {
	if name != "" {
		if err := p.header(hdr); err != nil {
			return err
		}
		name += "/"
	}
	names, err := list(fd)
	if err != nil {
		return pathError("readdir", name, err)
	}
	for _, base := range names {
		if err := p.entry(fd, base, name+base); err != nil {
			return err
		}
	}
	return nil
}

// file packs a regular file. What its O_PATH descriptor names is a regular file still, whatever has its name by now.
func (p *packer) file(look int, hdr *tar.Header) error {
	fd, err := reopen(look, unix.O_RDONLY)
	if err != nil {
		return pathError("open", hdr.Name, err)
	}
	defer unix.Close(fd)
	if err := p.header(hdr); err != nil {
		return err
	}
	for left := hdr.Size; left > 0; {
		if err := p.ctx.Err(); err != nil {
			return err
		}
		chunk := p.buf[:min(left, int64(len(p.buf)))]
		n, err := unix.Read(fd, chunk)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return pathError("read", hdr.Name, err)
		}
		if n == 0 { // it became shorter
			clear(chunk)
			n = len(chunk)
		}
		if _, err := p.tar.Write(chunk[:n]); err != nil {
			return err
		}
		left -= int64(n)
	}
	return nil
}

// header describes an open file; it is nil for a socket, which no tar can hold.
func header(fd int, name string, st *unix.Stat_t) (*tar.Header, error) {
	hdr := &tar.Header{
		Name:     name,
		Mode:     int64(st.Mode & 0o7777),
		Uid:      int(st.Uid),
		Gid:      int(st.Gid),
		ModTime:  time.Unix(st.Mtim.Unix()),
		Typeflag: tar.TypeReg,
	}
	switch kind(st) {
	case unix.S_IFREG:
		hdr.Size = st.Size
	case unix.S_IFDIR:
		hdr.Typeflag = tar.TypeDir
		hdr.Name += "/"
	case unix.S_IFLNK:
		target, err := readlink(fd, "")
		if err != nil {
			return nil, pathError("readlink", name, err)
		}
		hdr.Typeflag, hdr.Linkname = tar.TypeSymlink, target
		return hdr, nil
	case unix.S_IFCHR, unix.S_IFBLK:
		hdr.Typeflag = tar.TypeChar
		if kind(st) == unix.S_IFBLK {
			hdr.Typeflag = tar.TypeBlock
		}
		hdr.Devmajor, hdr.Devminor = int64(unix.Major(st.Rdev)), int64(unix.Minor(st.Rdev))
	case unix.S_IFIFO:
		hdr.Typeflag = tar.TypeFifo
	default:
		return nil, nil
	}
	var value [256]byte
	if n, err := unix.Getxattr(procPath(fd), capability, value[:]); err == nil {
		hdr.PAXRecords = map[string]string{paxXattr + capability: string(value[:n])}
	}
	return hdr, nil
}

// list reads the names in a directory that is open with O_PATH, sorted.
func list(dir int) ([]string, error) {
	fd, err := reopen(dir, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	var names []string
	buf := make([]byte, 32<<10)
	for {
		n, err := unix.ReadDirent(fd, buf)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return nil, err
		}
		if n == 0 {
			slices.Sort(names)
			return names, nil
		}
		_, _, names = unix.ParseDirent(buf[:n], -1, names)
	}
}

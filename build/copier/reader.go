package copier

import (
	"io"

	"codeberg.org/hoy/hoy/build/rootfs"
	"golang.org/x/sys/unix"
)

// reader reads a selection's regular files, one after the other.
type reader struct {
	tree *rootfs.Tree
	kept *room  // of all readers
	buf  []byte // for what is not kept

	dir int          // an open directory, or -1
	of  *rootfs.Node // a file in it
}

func (s *Selection) reader() *reader { return &reader{tree: s.Tree, kept: s.kept, dir: -1} }

func (r *reader) close() {
	if r.dir >= 0 {
		unix.Close(r.dir)
	}
}

func (r *reader) open(n *rootfs.Node) (fd int, err error) {
	if r.of == nil || !rootfs.SameDir(n, r.of) {
		r.close()
		if r.dir, err = r.tree.OpenParent(n); err != nil {
			return -1, err
		}
		r.of = n
	}
	return rootfs.OpenIn(r.dir, n)
}

// scratch is room for size bytes, until the next call.
func (r *reader) scratch(size int) []byte {
	if len(r.buf) < size {
		r.buf = make([]byte, size)
	}
	return r.buf[:size]
}

// small reads a file of a few pages in one go, and says whether it is what its entry says; then the entry keeps the content where there is
// room, and else the content is good until the next call. Where it is not, the file is regular still, and is to be read from its beginning in
// another way.
func (r *reader) small(fd int, e *Entry) (data []byte, same bool, err error) {
	if e.Stat.Size > keepFile {
		return nil, false, rootfs.StillRegular(fd)
	}
	size := int(e.Stat.Size)
	data = r.kept.take(size + 1) // the one more shows the end
	keep := data != nil
	if !keep {
		data = r.scratch(size + 1)
	}
	n, err := pread(fd, data, 0)
	if err == nil && n == size {
		same, err = unchanged(fd, e)
	}
	if !same {
		if regular := rootfs.StillRegular(fd); regular != nil {
			err = regular
		}
		return nil, false, err
	}
	data = data[:size:size]
	if keep {
		e.Data = data
	}
	return data, true, nil
}

// unchanged says whether a file is in the state that it was found in.
func unchanged(fd int, e *Entry) (bool, error) {
	var now unix.Stat_t
	err := unix.Fstat(fd, &now)
	return err == nil && sameState(&now, &e.Stat), err
}

// stream passes on what a file holds.
func (r *reader) stream(fd int, to io.Writer) error {
	buf := r.scratch(2 * keepFile)
	for off := int64(0); ; {
		n, err := pread(fd, buf, off)
		if err != nil || n == 0 {
			return err
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return err
		}
		off += int64(n)
	}
}

func pread(fd int, p []byte, off int64) (n int, err error) {
	for {
		n, err = unix.Pread(fd, p, off)
		if err != unix.EINTR {
			return n, err
		}
	}
}

// sameState says whether a file's content is the same by what stat(2) says.
func sameState(a, b *unix.Stat_t) bool {
	return a.Ino == b.Ino && a.Dev == b.Dev && a.Size == b.Size && a.Mtim == b.Mtim && a.Ctim == b.Ctim
}

package storage

import (
	"bufio"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"

	"codeberg.org/hoy/hoy/storage/layertar"
	"codeberg.org/hoy/hoy/storage/records"
	gzip "github.com/klauspost/pgzip"
	"github.com/vbatts/tar-split/tar/asm"
	splitstorage "github.com/vbatts/tar-split/tar/storage"
	"golang.org/x/sys/unix"
)

// writeLayer writes the tar of the first layer of a chain, byte for byte as it came, without a lock: its order and headers are in
// the tar-split file. A layer that was made here always gives the same tar, also without one.
func (s *Store) writeLayer(ctx context.Context, w io.Writer, chain []*records.Layer) error {
	id := chain[0].ID
	f, err := os.Open(s.dir.TarSplit(id))
	if errors.Is(err, fs.ErrNotExist) {
		return layertar.Write(ctx, w, s.dir.Diff(id), s.diffs(chain[1:]))
	}
	if err != nil {
		return err
	}
	defer f.Close()
	split, err := gzip.NewReader(bufio.NewReader(f))
	if err != nil {
		return err
	}
	defer split.Close()
	root, err := openRoot(s.dir.Diff(id))
	if err != nil {
		return err
	}
	defer root.close()
	stream := asm.NewOutputTarStream(root, splitstorage.NewJSONUnpacker(split))
	defer stream.Close()
	_, err = io.Copy(w, &contextReader{ctx, stream})
	return err
}

// rootGetter gives the files of a layer by the names that its tar had for them; links on the way stay inside the layer.
type rootGetter struct{ fd int }

func openRoot(dir string) (*rootGetter, error) {
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: dir, Err: err}
	}
	return &rootGetter{fd}, nil
}

func (r *rootGetter) close() { unix.Close(r.fd) }

// Get is that of tar-split's FileGetter.
func (r *rootGetter) Get(name string) (io.ReadCloser, error) {
	for {
		fd, err := unix.Openat2(r.fd, name, &unix.OpenHow{Flags: unix.O_RDONLY | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT})
		if errors.Is(err, unix.EAGAIN) {
			continue // something was mounted or renamed somewhere meanwhile: openat2(2)
		}
		if err != nil {
			return nil, &fs.PathError{Op: "open", Path: name, Err: err}
		}
		return os.NewFile(uintptr(fd), name), nil
	}
}

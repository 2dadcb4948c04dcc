package storage

import (
	"archive/tar"
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"runtime"

	"codeberg.org/hoy/hoy/storage/lease"
	"go.podman.io/image/v5/docker/archive"
	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/pkg/compression"
	"go.podman.io/image/v5/types"
)

// LoadOptions says how an archive is read.
type LoadOptions struct {
	Platform string // of the images of an archive with several; "" is this machine's
}

// Loaded is one name, or one image without a name, of an archive.
type Loaded struct {
	Name string // the familiar name; "" for an image without one
	ID   string // 64 hexadecimal digits
}

// Load reads an archive as `docker save`, skopeo or buildx write them: docker-archive or OCI layout, plain or compressed by gzip, zstd,
// xz or bzip2. Images that came before one that fails stay.
func (s *Store) Load(ctx context.Context, r io.Reader, o LoadOptions) ([]Loaded, error) {
	p, err := parsePlatform(o.Platform)
	if err != nil {
		return nil, err
	}
	l := &load{store: s, system: s.system(p)}
	if _, err := s.library(); err != nil {
		return nil, err
	}
	room, err := lease.New(s.leases())
	if err != nil {
		return nil, s.explain(err)
	}
	defer room.Release()
	l.dir = room.Dir
	defer runtime.KeepAlive(r) // plainFile gives its descriptor's number away
	if err := l.run(ctx, r); err != nil {
		if ctx.Err() != nil {
			return l.loaded, ctx.Err()
		}
		if wrongContent(err) {
			err = fmt.Errorf("%w: %v", ErrCorrupt, err)
		}
		return l.loaded, s.explain(fmt.Errorf("load: %w", err))
	}
	for _, one := range l.loaded {
		s.tell("image", "load", one.ID, "name", one.Name)
	}
	return l.loaded, nil
}

// load is one Load.
type load struct {
	store  *Store
	system *types.SystemContext
	dir    string // a leased directory
	loaded []Loaded
}

func (l *load) run(ctx context.Context, r io.Reader) error {
	file := plainFile(r)
	if file == "" {
		file = filepath.Join(l.dir, "archive.tar")
		if err := spool(ctx, file, r); err != nil {
			return err
		}
	}
	format, err := archiveFormat(file)
	if err != nil {
		return err
	}
	switch format {
	case "docker-archive":
		return l.dockerArchive(ctx, file)
	case "oci-archive":
		return l.ociArchive(ctx, file)
	}
	return errors.New("no image in the archive: it has neither a manifest.json nor an index.json")
}

// plainFile gives the path of an archive that needs no spooling, for it is a regular file without compression, or "".
func plainFile(r io.Reader) string {
	f, ok := r.(*os.File)
	if !ok {
		return ""
	}
	st, err := f.Stat()
	if err != nil || !st.Mode().IsRegular() {
		return ""
	}
	if at, err := f.Seek(0, io.SeekCurrent); err != nil || at != 0 {
		return ""
	}
	head := io.NewSectionReader(f, 0, 1<<10)
	if decompress, _, err := compression.DetectCompression(head); err != nil || decompress != nil {
		return ""
	}
	return fmt.Sprintf("/proc/self/fd/%d", f.Fd())
}

// spool writes the archive to a file, decompressed: reading an image goes back and forth in it. When the context ends, it does not
// wait for a reader that gives nothing; the process is about to end then.
func spool(ctx context.Context, file string, r io.Reader) error {
	done := make(chan error, 1)
	go func() { done <- writeSpool(file, &contextReader{ctx, r}) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func writeSpool(file string, r io.Reader) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	in, _, err := compression.AutoDecompress(bufio.NewReaderSize(r, 1<<20))
	if err != nil {
		return fmt.Errorf("read archive: %w", err)
	}
	defer in.Close()
	if _, err := io.Copy(f, in); err != nil {
		return fmt.Errorf("read archive: %w", err)
	}
	return f.Close()
}

// contextReader stops reading when its context ends.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c *contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// archiveFormat says what kind of archive a file is. Docker's are both since version 25; their manifest.json has the names.
func archiveFormat(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	format := ""
	for tr := tar.NewReader(f); ; {
		h, err := tr.Next()
		if err == io.EOF {
			return format, nil
		}
		if err != nil {
			return "", fmt.Errorf("read archive: %w", err)
		}
		switch path.Clean(h.Name) {
		case "manifest.json":
			return "docker-archive", nil
		case "index.json":
			format = "oci-archive"
		}
	}
}

func (l *load) dockerArchive(ctx context.Context, file string) error {
	reader, err := archive.NewReader(l.system, file)
	if err != nil {
		return err
	}
	defer reader.Close()
	images, err := reader.List()
	if err != nil {
		return err
	}
	for _, refs := range images {
		var names []string
		for _, ref := range refs {
			if name := ref.DockerReference(); name != nil {
				names = append(names, reference.TagNameOnly(name).String())
			}
		}
		if err := l.image(ctx, refs[0], names); err != nil {
			return err
		}
	}
	return nil
}

// image brings in one image of the archive.
func (l *load) image(ctx context.Context, ref types.ImageReference, names []string) error {
	img, err := peek(ctx, ref, l.system)
	if err != nil {
		return err
	}
	defer img.close()
	if err := l.store.bring(ctx, incoming{image: img, system: l.system, names: names}); err != nil {
		return err
	}
	for _, name := range names {
		l.loaded = append(l.loaded, Loaded{Name: FamiliarName(name), ID: img.id})
	}
	if len(names) == 0 {
		l.loaded = append(l.loaded, Loaded{ID: img.id})
	}
	return nil
}

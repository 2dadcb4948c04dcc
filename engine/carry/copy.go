package carry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"

	"golang.org/x/sys/unix"

	"codeberg.org/hoy/hoy/oci/inroot"
	"codeberg.org/hoy/hoy/oci/userns"
)

// Container is the container's side of a copy.
type Container struct {
	Root inroot.Root
	Name string // for messages, as the user named it
	// IDs are the owners of Root's files as the container knows them (Inside) and as they are seen here (Outside); nil: the same.
	IDs *userns.Map
}

// notFound is a path that the container does not have, in Docker's words.
func (c *Container) notFound(p string, err error) error {
	if err == unix.ENOENT {
		return fmt.Errorf("Could not find the file %s in container %s", p, c.Name) //lint:ignore ST1005 Docker's words
	}
	return pathError("lstat", p, err)
}

// find looks at a path of the container's that is to be copied.
func (c *Container) find(p string, followLink bool) (end, error) {
	e := end{path: Clean("/" + p), exists: true}
	var st unix.Stat_t
	err := lstat(c.Root, e.path, &st)
	if err == nil && kind(&st) == unix.S_IFLNK && followLink {
		e.rename = path.Base(e.path)
		e.path, err = follow(c.Root, e.path, &st)
	}
	e.dir = isDir(&st)
	return e, c.notFound(p, err)
}

// From copies the file src of the container to the host's path dst, and gives the number of bytes of the stream between.
func (c *Container) From(ctx context.Context, src, dst string, followLink bool) (int64, error) {
	to, err := hostTarget(dst)
	if err != nil {
		return 0, err
	}
	from, err := c.find(src, followLink)
	if err != nil {
		return 0, err
	}
	dir, name, err := target(from, to)
	if err != nil {
		return 0, err
	}
	s, err := from.source(c.Root, name)
	if err != nil {
		return 0, c.notFound(src, err)
	}
	defer unix.Close(s.Dir)
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, pathError("open", dir, err)
	}
	defer unix.Close(fd)
	return stream(ctx, s, func(r io.Reader) error {
		return Unpack(ctx, r, inroot.Root(fd), "/", UnpackOptions{KeepOwner: true})
	})
}

// Out writes a tar of the file src of the container to w.
func (c *Container) Out(ctx context.Context, src string, followLink bool, w io.Writer) error {
	from, err := c.find(src, followLink)
	if err != nil {
		return err
	}
	s, err := from.source(c.Root, from.name())
	if err != nil {
		return c.notFound(src, err)
	}
	if c.IDs != nil {
		s.IDs = c.IDs.Invert()
	}
	defer unix.Close(s.Dir)
	return Pack(ctx, w, s)
}

// place looks at a path of the container's that is to be copied to. One that cannot be looked at is taken for one that does not exist.
func (c *Container) place(p string) (end, error) {
	e := end{path: Clean("/" + p)}
	var st unix.Stat_t
	real, err := follow(c.Root, e.path, &st)
	if real != e.path {
		e.path = real
	}
	if err != nil {
		return e, nil
	}
	switch kind(&st) {
	case unix.S_IFCHR, unix.S_IFBLK:
		return e, fmt.Errorf("destination %q must be a directory or a regular file: got a device", c.Name+":"+p)
	}
	e.exists, e.dir = true, isDir(&st)
	return e, nil
}

// To copies the host's file src to the path dst of the container, and gives the number of bytes of the stream between.
func (c *Container) To(ctx context.Context, src, dst string, followLink bool, o UnpackOptions) (int64, error) {
	from, err := hostSource(src, followLink)
	if err != nil {
		return 0, err
	}
	to, err := c.place(dst)
	if err != nil {
		return 0, err
	}
	dir, name, err := target(from, to)
	if err != nil {
		return 0, err
	}
	if err := c.checkTarget(dir, dst); err != nil {
		return 0, err
	}
	s, err := from.hostSourceDir(name)
	if err != nil {
		return 0, err
	}
	defer unix.Close(s.Dir)
	o.IDs = c.IDs
	return stream(ctx, s, func(r io.Reader) error { return Unpack(ctx, r, c.Root, dir, o) })
}

// In unpacks a tar into the directory dst of the container.
func (c *Container) In(ctx context.Context, r io.Reader, dst string, o UnpackOptions) error {
	to, err := c.place(dst)
	if err != nil {
		return err
	}
	if !to.exists || !to.dir {
		return fmt.Errorf("destination %q must be a directory", c.Name+":"+dst)
	}
	o.IDs = c.IDs
	return Unpack(ctx, r, c.Root, to.path, o)
}

// checkTarget makes sure that there is a directory to unpack in.
func (c *Container) checkTarget(dir, dst string) error {
	fd, err := c.Root.Open(dir, unix.O_PATH|unix.O_DIRECTORY)
	if err == unix.ENOTDIR {
		return errors.New("extraction point is not a directory")
	}
	if err != nil {
		return c.notFound(dst, err)
	}
	return unix.Close(fd)
}

// stream packs s into what unpack reads.
func stream(ctx context.Context, s Source, unpack func(io.Reader) error) (int64, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r, w := io.Pipe()
	packed := make(chan error, 1)
	counted := &counter{w: w}
	go func() {
		err := Pack(ctx, counted, s)
		w.CloseWithError(err)
		packed <- err
	}()
	err := unpack(r)
	if err == nil {
		_, err = io.Copy(io.Discard, r) // what follows the end of the archive
	}
	r.CloseWithError(io.ErrClosedPipe)
	if failed := <-packed; err == nil {
		err = failed
	}
	return counted.n, err
}

type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

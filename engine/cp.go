package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"codeberg.org/hoy/hoy/engine/carry"
	"codeberg.org/hoy/hoy/oci/child"
)

// CopyOptions describe one `cp`.
type CopyOptions struct {
	Path   string    // in the container
	Host   string    // on the host, absolute; "": Stream
	Stream io.Writer // CopyFrom: gets a tar
	// Tar opens a tar, not compressed, for CopyTo; nil: Host. It is called when the container's root is open.
	Tar func() (io.Reader, error)

	FollowLink bool     // a link that is the source itself is followed
	Archive    bool     // CopyTo: files belong to the container's user, if it has one
	Name       string   // what the user calls the container
	Root       *os.File // what RunningRoot gave
}

// CopyFrom copies a file or directory of the container, running or not, to the host, and gives how many bytes went through.
func (e *Engine) CopyFrom(ctx context.Context, c *Container, o CopyOptions) (int64, error) {
	v, err := e.View(ctx, c, o.Root)
	if err != nil {
		return 0, err
	}
	defer v.Close()
	e.happened(c, "archive-path", "path", o.Path)
	from := carry.Container{Root: v.Root, Name: o.Name, IDs: v.IDs}
	if o.Stream != nil {
		return 0, from.Out(ctx, o.Path, o.FollowLink, o.Stream)
	}
	return from.From(ctx, o.Path, o.Host, o.FollowLink)
}

// CopyTo copies a file or directory of the host into the container, running or not, and gives how many bytes went through. Numeric owners
// are kept, as Docker does.
func (e *Engine) CopyTo(ctx context.Context, c *Container, o CopyOptions) (int64, error) {
	v, err := e.View(ctx, c, o.Root)
	if err != nil {
		return 0, err
	}
	defer v.Close()
	to := carry.Container{Root: v.Root, Name: o.Name, IDs: v.IDs}
	var u carry.UnpackOptions
	if o.Archive && c.Config.User != "" {
		if u.Owner, err = ownerIn(v, c.Config.User); err != nil {
			return 0, err
		}
	}
	var n int64
	if o.Tar != nil {
		var r io.Reader
		if r, err = o.Tar(); err == nil {
			err = to.In(ctx, r, o.Path, u)
		}
	} else {
		n, err = to.To(ctx, o.Host, o.Path, o.FollowLink, u)
	}
	if errors.Is(err, unix.EROFS) {
		err = readOnlyError(c)
	}
	if err == nil {
		e.happened(c, "extract-to-dir", "path", o.Path)
	}
	return n, err
}

func readOnlyError(c *Container) error {
	if c.Config.ReadOnly {
		return errors.New("container rootfs is marked read-only")
	}
	return errors.New("mounted volume is marked read-only")
}

// ownerIn looks a user up in the container's files.
func ownerIn(v *View, user string) (*carry.Owner, error) {
	proc, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	defer proc.Close()
	ids, _, err := child.Resolve(child.UserFiles{Root: v.Root, Proc: int(proc.Fd())}, user, nil)
	if err != nil {
		return nil, fmt.Errorf("user %w", err)
	}
	return &carry.Owner{UID: int(ids.UID), GID: int(ids.GID)}, nil
}

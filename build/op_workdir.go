package build

import (
	"context"
	"fmt"

	"codeberg.org/hoy/hoy/build/cache"
	"codeberg.org/hoy/hoy/build/rootfs"
	"codeberg.org/hoy/hoy/storage"
)

// workdirOp makes a directory that belongs to the stage's user.
type workdirOp struct {
	Parent string
	Path   string
	User   string
}

func (o *workdirOp) inputs() []*step                          { return nil }
func (o *workdirOp) prepare(context.Context, *executor) error { return nil }
func (o *workdirOp) quickKey(*inputs) (string, error)         { return "", nil }
func (o *workdirOp) again() bool                              { return false }

func (o *workdirOp) key(_ context.Context, _ *executor, in *inputs) (string, error) {
	k := *o
	k.Parent = in.parent.id
	return cache.Key("workdir", k)
}

func (o *workdirOp) run(_ context.Context, x *executor, in *inputs, to *storage.Stage) error {
	w, err := rootfs.NewWriter(to.Dir, in.parent.lower, x.rootOptions())
	if err != nil {
		return err
	}
	defer w.Close()
	m := rootfs.Meta{Mode: 0o755}
	if o.User != "" {
		// A user that is not in the image yet owns nothing: BuildKit makes the directory root's then.
		if uid, gid, err := w.Owner(o.User); err == nil {
			m.UID, m.GID = uid, gid
		}
	}
	if _, err := w.MkdirAll(o.Path, m); err != nil {
		return fmt.Errorf("make working directory: %w", err)
	}
	return nil
}

package storage

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"codeberg.org/hoy/hoy/storage/layertar"
	"codeberg.org/hoy/hoy/storage/lease"
	cstorage "go.podman.io/storage"
	graphdriver "go.podman.io/storage/drivers"
	"golang.org/x/sys/unix"
)

// Stage is a directory in which a layer is being written. It is leased: when its maker is killed the next writer removes it.
type Stage struct {
	Dir  string // overlay's upperdir, or a place to write files to
	Work string // overlay's workdir, beside Dir

	// Known is what regular files without extended attributes hold, by their path in Dir: Commit does not read them again.
	// Nil, or filled by whoever writes them.
	Known map[string][]byte

	store *Store
	lease *lease.Lease
}

// StageLayer makes an empty stage. lower are the diff directories below it, top first: the stage's root takes owner, mode and
// times from the first, because overlay shows the upper's. The stage may be used as a lower of the next one before it is committed.
// It opens no library.
func (s *Store) StageLayer(lower []string) (*Stage, error) {
	l, err := lease.New(s.leases())
	if err != nil {
		return nil, s.explain(fmt.Errorf("stage layer: %w", err))
	}
	g := &Stage{Dir: filepath.Join(l.Dir, "dir"), Work: filepath.Join(l.Dir, "work"), store: s, lease: l}
	if err := g.make(lower); err != nil {
		l.Release()
		return nil, s.explain(fmt.Errorf("stage layer: %w", err))
	}
	return g, nil
}

func (g *Stage) make(lower []string) error {
	if err := os.Mkdir(g.Work, 0o700); err != nil {
		return err
	}
	if err := os.Mkdir(g.Dir, 0o755); err != nil {
		return err
	}
	if len(lower) == 0 {
		return os.Chmod(g.Dir, 0o755) // whatever the umask is
	}
	return copyRoot(lower[0], g.Dir)
}

// copyRoot gives a layer's root the owner, mode and times that the root has in the layer below.
func copyRoot(from, to string) error {
	var st unix.Stat_t
	if err := unix.Stat(from, &st); err != nil {
		return &fs.PathError{Op: "stat", Path: from, Err: err}
	}
	if err := os.Chown(to, int(st.Uid), int(st.Gid)); err != nil {
		return err
	}
	if err := unix.Chmod(to, st.Mode&0o7777); err != nil {
		return &fs.PathError{Op: "chmod", Path: to, Err: err}
	}
	times := []unix.Timespec{st.Atim, st.Mtim}
	if err := unix.UtimesNanoAt(unix.AT_FDCWD, to, times, 0); err != nil {
		return &fs.PathError{Op: "utimes", Path: to, Err: err}
	}
	return nil
}

// Discard removes the stage. After Commit it does nothing.
func (g *Stage) Discard() error {
	if g.lease == nil {
		return nil
	}
	err := g.lease.Release()
	g.lease = nil
	return err
}

// CommitOptions says what a stage becomes.
type CommitOptions struct {
	Parent string // layer id; "" for a bottom layer
}

// Commit renames the stage's Dir into the store and registers it, in a few milliseconds. Nothing may be mounted on it or write to it
// any more. Its digest is computed in the background; it is durable when CreateImage or Close has returned. On an error the stage is
// discarded.
func (g *Stage) Commit(ctx context.Context, o CommitOptions) (*Layer, error) {
	defer g.Discard()
	if g.lease == nil {
		return nil, errors.New("commit layer: the stage is gone")
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	l, err := g.commit(o)
	if err != nil {
		return nil, g.store.explain(fmt.Errorf("commit layer: %w", err))
	}
	return l, nil
}

func (g *Stage) commit(o CommitOptions) (*Layer, error) {
	s := g.store
	var lower []string
	if o.Parent != "" {
		var err error
		if lower, err = s.LayerChain(o.Parent); err != nil {
			return nil, err
		}
	}
	lib, err := s.library()
	if err != nil {
		return nil, err
	}
	if err := s.beginBuild(); err != nil {
		return nil, err
	}
	st, err := os.Stat(g.Dir)
	if err != nil {
		return nil, err
	}
	mode := st.Mode()
	dir, err := os.Open(g.Dir)
	if err != nil {
		return nil, err
	}
	l := &Layer{ID: newID(), Parent: o.Parent}
	l.Dir = s.dir.Diff(l.ID)
	placed := make(chan struct{})
	defer close(placed)
	l.digest = s.startDigest(l.ID, digesting{layertar.Source{Dir: dir, Lower: lower, Known: g.Known}, placed})
	_, err = lib.ApplyStagedLayer(cstorage.ApplyStagedLayerOptions{
		ID:          l.ID,
		ParentLayer: o.Parent,
		DiffOutput:  &graphdriver.DriverWithDifferOutput{Target: g.Dir, Size: -1, RootDirMode: &mode},
	})
	if err != nil {
		return nil, err
	}
	return l, nil
}

func newID() string {
	var b [32]byte
	rand.Read(b[:]) // never fails, says crypto/rand
	return hex.EncodeToString(b[:])
}

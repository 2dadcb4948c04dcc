package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"codeberg.org/hoy/hoy/engine/carry"
	"codeberg.org/hoy/hoy/engine/monitor"
	"codeberg.org/hoy/hoy/oci/child"
	"codeberg.org/hoy/hoy/oci/userns"
)

// Layers with other owners, for kernels and users for whom it does not show files with other owners than they have:
//
//	<root>/shifted/lock              shared by who is about to use layers, taken alone by who removes some
//	<root>/shifted/<map>/lock        taken alone by who makes layers with that map
//	<root>/shifted/<map>/stub/<top>  an image by its top layer: directories and links, and the files without their content (carry.Stubs)
//	<root>/shifted/<map>/copy/<id>   a layer, copied
//
// Overlay finds the content of stubs in data-only layers, but only for those of its last other layer: so an image is one of stubs, whatever its
// layers are. Each is made beside its place and renamed. Containers share them; they go with their layer, or when no container has the map.
const (
	shiftedStub = "stub"
	shiftedCopy = "copy"
)

func (e *Engine) shiftedDir() string { return filepath.Join(e.o.Root, "shifted") }

// mapName names a map's directory.
func mapName(m *userns.Map) string {
	data, _ := json.Marshal(m) // numbers cannot fail
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:8])
}

// holdShifted keeps shifted layers from being removed, until release is called.
func (e *Engine) holdShifted() (release func(), err error) {
	if err := os.MkdirAll(e.shiftedDir(), 0o700); err != nil {
		return nil, err
	}
	return lockFile(filepath.Join(e.shiftedDir(), "lock"), unix.LOCK_SH)
}

// lockFile locks a file by flock(2), and makes it where it is missing.
func lockFile(name string, how int) (release func(), err error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		if err = unix.Flock(int(f.Fd()), how); err != unix.EINTR {
			break
		}
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", name, err)
	}
	return func() { f.Close() }, nil
}

// shift gives layers, by their diff directories, with the owners that m gives them. Those that are not there are made; when that takes copies of
// files, it is said.
func (e *Engine) shift(ctx context.Context, layers []string, m *userns.Map, say io.Writer) (lowers, error) {
	s := &shifter{layers: layers, ids: m, dir: filepath.Join(e.shiftedDir(), mapName(m)), prefix: "trusted.overlay."}
	if e.o.Rootless {
		s.prefix = "user.overlay."
	}
	if missing := s.missing(); len(missing) > 0 {
		if err := s.make(ctx, say); err != nil {
			return lowers{}, fmt.Errorf("layers with the ids of the user namespace: %w", err)
		}
	}
	return s.found()
}

type shifter struct {
	layers []string // diff directories, top first
	ids    *userns.Map
	dir    string // of the map
	prefix string // of overlay's attributes
}

// layerID is the id in a layer's diff directory, <overlay>/<id>/diff.
func layerID(diff string) string { return filepath.Base(filepath.Dir(diff)) }

// stub is where the image's stubs are, or are to be.
func (s *shifter) stub() string { return filepath.Join(s.dir, shiftedStub, layerID(s.layers[0])) }

// copyOf is where a layer's copy is, or is to be.
func (s *shifter) copyOf(layer string) string {
	return filepath.Join(s.dir, shiftedCopy, layerID(layer))
}

func exists(name string) bool {
	_, err := os.Lstat(name)
	return err == nil
}

// missing are the layers that are to be made: none when the image has stubs.
func (s *shifter) missing() []string {
	if len(s.layers) == 0 || exists(s.stub()) {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(s.layers), func(l string) bool { return exists(s.copyOf(l)) })
}

func (s *shifter) found() (lowers, error) {
	if len(s.layers) == 0 {
		return lowers{}, nil
	}
	if exists(s.stub()) {
		return lowers{dirs: []string{s.stub()}, data: s.layers}, nil
	}
	var l lowers
	for _, layer := range s.layers {
		if !exists(s.copyOf(layer)) {
			return l, fmt.Errorf("layer %s is gone", layerID(layer))
		}
		l.dirs = append(l.dirs, s.copyOf(layer))
	}
	return l, nil
}

// make makes what is missing.
func (s *shifter) make(ctx context.Context, say io.Writer) error {
	for _, kind := range []string{shiftedStub, shiftedCopy} {
		if err := os.MkdirAll(filepath.Join(s.dir, kind), 0o700); err != nil {
			return err
		}
	}
	release, err := lockFile(filepath.Join(s.dir, "lock"), unix.LOCK_EX)
	if err != nil {
		return err
	}
	defer release()
	missing := s.missing() // somebody may have made them meanwhile
	if len(missing) == 0 {
		return nil
	}
	if s.canStub() {
		return s.makeStub(ctx)
	}
	if say != nil {
		fmt.Fprintf(say, "hoy: the kernel cannot show the image's files with this user namespace's ids: copying %d layers, once for all containers with these ids\n", len(missing))
	}
	return s.makeCopies(ctx, missing)
}

// makeStub makes the stubs of the image: what its layers are when they are merged.
func (s *shifter) makeStub(ctx context.Context) error {
	merged, err := child.PrepareRootfs(&child.Plan{Rootfs: child.Rootfs{Lower: s.layers}}, nil)
	if err == nil && merged < 0 { // one layer is itself
		merged, err = unix.Open(s.layers[0], unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	}
	if err != nil {
		return err
	}
	defer unix.Close(merged)
	return s.makeOne(ctx, merged, s.stub(), carry.CloneOptions{IDs: s.ids, Stubs: &carry.Stubs{Xattrs: s.prefix}})
}

// makeCopies copies layers, several at once.
func (s *shifter) makeCopies(ctx context.Context, layers []string) error {
	errs := make([]error, len(layers))
	room := make(chan struct{}, runtime.NumCPU())
	var wg sync.WaitGroup
	for i, l := range layers {
		wg.Go(func() {
			room <- struct{}{}
			defer func() { <-room }()
			fd, err := unix.Open(l, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
			if err != nil {
				errs[i] = &os.PathError{Op: "open", Path: l, Err: err}
				return
			}
			defer unix.Close(fd)
			errs[i] = s.makeOne(ctx, fd, s.copyOf(l), carry.CloneOptions{IDs: s.ids})
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// makeOne clones the open directory from. What an interrupted call has left is removed first: the map's lock is ours.
func (s *shifter) makeOne(ctx context.Context, from int, place string, o carry.CloneOptions) (err error) {
	part := filepath.Join(filepath.Dir(place), ".part-"+filepath.Base(place))
	if err := monitor.RemoveTree(part); err != nil {
		return err
	}
	if err := os.Mkdir(part, 0o700); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			monitor.RemoveTree(part)
		}
	}()
	to, err := unix.Open(part, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: part, Err: err}
	}
	defer unix.Close(to)
	if _, err := carry.Clone(ctx, from, to, o); err != nil {
		return err
	}
	return os.Rename(part, place)
}

// canStub tries whether this kernel's overlay finds the content of a stub (Linux 6.8; in a user namespace 6.16).
func (s *shifter) canStub() bool {
	dir, err := os.MkdirTemp(s.dir, ".try-")
	if err != nil {
		return false
	}
	defer os.RemoveAll(dir)
	const text = "content"
	if os.Mkdir(filepath.Join(dir, "data"), 0o700) != nil || os.Mkdir(filepath.Join(dir, shiftedStub), 0o700) != nil ||
		os.WriteFile(filepath.Join(dir, "data/f"), []byte(text), 0o600) != nil {
		return false
	}
	try := &shifter{layers: []string{filepath.Join(dir, "data")}, dir: dir, prefix: s.prefix}
	if try.makeStub(context.Background()) != nil {
		return false
	}
	root := child.Rootfs{Lower: []string{try.stub()}, Data: try.layers}
	fd, err := child.PrepareRootfs(&child.Plan{Rootfs: root}, nil)
	if err != nil || fd < 0 {
		return false
	}
	defer unix.Close(fd)
	f, err := unix.Openat(fd, "f", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(f)
	buf := make([]byte, len(text)+1)
	n, err := unix.Read(f, buf)
	return err == nil && string(buf[:n]) == text
}

// SweepShifted removes the shifted layers whose layer has gone and, with all, those of maps that no container has. Where somebody is about to use
// one it does nothing: the next sweep does.
func (e *Engine) SweepShifted(all bool) error {
	if e.o.Outside {
		return nil
	}
	maps, err := os.ReadDir(e.shiftedDir())
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	release, err := lockFile(filepath.Join(e.shiftedDir(), "lock"), unix.LOCK_EX|unix.LOCK_NB)
	if err != nil {
		return nil
	}
	defer release()
	used, err := e.shiftedMaps()
	if err != nil {
		return err
	}
	var errs []error
	for _, m := range maps {
		dir := filepath.Join(e.shiftedDir(), m.Name())
		switch {
		case !m.IsDir():
		case all && !used[m.Name()]:
			errs = append(errs, monitor.RemoveTree(dir))
		default:
			errs = append(errs, e.sweepMap(dir))
		}
	}
	return errors.Join(errs...)
}

// sweepMap removes the layers of one map that are no layers any more.
func (e *Engine) sweepMap(dir string) error {
	var errs []error
	for _, kind := range []string{shiftedStub, shiftedCopy} {
		layers, err := os.ReadDir(filepath.Join(dir, kind))
		if err != nil {
			continue
		}
		for _, l := range layers {
			if !e.Store.HasLayer(strings.TrimPrefix(l.Name(), ".part-")) {
				errs = append(errs, monitor.RemoveTree(filepath.Join(dir, kind, l.Name())))
			}
		}
	}
	return errors.Join(errs...)
}

// shiftedMaps are the maps of the containers that have shifted layers.
func (e *Engine) shiftedMaps() (map[string]bool, error) {
	ids, err := e.ids()
	if err != nil {
		return nil, err
	}
	used := map[string]bool{}
	for _, id := range ids {
		r, err := readRecord(e.place(id))
		if errors.Is(err, ErrNoContainer) {
			continue
		}
		if err != nil {
			return nil, err // it may have any
		}
		if r.Shifted && r.IDMap != nil {
			used[mapName(r.IDMap)] = true
		}
	}
	return used, nil
}

// shiftedIDs are the ids of what the container has on disk, as a map from its own; nil: the same.
func (c *Container) shiftedIDs() *userns.Map {
	if !c.shifted {
		return nil
	}
	return c.Config.IDMap
}

// upperIDs is the map from the ids on disk to the container's own; nil: the same.
func (c *Container) upperIDs() *userns.Map {
	if !c.shifted || c.Config.IDMap == nil {
		return nil
	}
	return c.Config.IDMap.Invert()
}

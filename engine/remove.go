package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"codeberg.org/hoy/hoy/engine/monitor"
	"codeberg.org/hoy/hoy/oci"
	"codeberg.org/hoy/hoy/storage"
)

// Remove removes a container; ErrRunning without Force. One that is gone already is no error.
func (e *Engine) Remove(ctx context.Context, c *Container, o RemoveOptions) error {
	if e.o.Outside {
		return ErrNeedsUserns
	}
	if c.Running() {
		if !o.Force {
			return fmt.Errorf("cannot remove container %q: container is running: stop the container before removing or force remove%w", "/"+c.Name(), hidden{ErrRunning})
		}
		if err := e.end(ctx, c, syscall.SIGKILL, killTimeout); err != nil {
			return fmt.Errorf("cannot remove container %q: %w", "/"+c.Name(), err)
		}
	}
	lock, err := e.removeLock(c)
	if err != nil {
		return fmt.Errorf("cannot remove container %q: %w", "/"+c.Name(), err)
	}
	defer e.healAfter(c, lock)
	if err := monitor.Erase(c.place, nil); err != nil {
		return err
	}
	if err := monitor.RemoveRunDir(c.place); err != nil {
		return err
	}
	if o.Volumes || c.Config.AutoRemove {
		if err := e.removeVolumes(c); err != nil {
			return err
		}
	}
	// What was reported as removed must not come back after a power cut.
	d := monitor.Durability(!c.Config.AutoRemove)
	return errors.Join(monitor.SyncDir(c.place.Names(), d), monitor.SyncDir(c.place.Containers(), d))
}

// removeLock takes the lock of a container that is to be removed.
func (e *Engine) removeLock(c *Container) (lock interface{ Close() error }, err error) {
	if c.lease != nil {
		lock, c.lease = c.lease, nil
		return lock, nil
	}
	l, err := c.place.Lock()
	if !errors.Is(err, monitor.ErrLocked) {
		return l, err
	}
	now, err := e.load(c.ID())
	if errors.Is(err, ErrNoContainer) {
		return c.place.Lock() // whoever has removed it is about to release it
	}
	if err == nil && now.Running() {
		return nil, ErrRunning
	}
	return released(c.place)
}

// releaseTimeout is how long a monitor may take from the record of its container's end to its own.
const releaseTimeout = 5 * time.Second

// released takes the lock of a container at rest when its monitor, which has recorded the end, gives it up: monitor.ErrLocked when it does not.
func released(p monitor.Place) (*os.File, error) {
	ctx, cancel := context.WithTimeout(context.Background(), releaseTimeout)
	defer cancel()
	if err := p.WaitReleased(ctx); err != nil {
		return nil, monitor.ErrLocked
	}
	return p.Lock()
}

func (e *Engine) removeVolumes(c *Container) error {
	var failed error
	for _, m := range c.Config.Mounts {
		if m.Type != oci.MountVolume || !m.Anonymous {
			continue
		}
		err := e.Store.RemoveVolume(m.Source, e.VolumeUsers)
		if err != nil && !errors.Is(err, storage.ErrVolumeInUse) && !errors.Is(err, storage.ErrNoVolume) {
			failed = errors.Join(failed, err)
		}
	}
	return failed
}

// Prune removes the stopped containers for which keep (nil: none) is false, with their anonymous volumes kept.
func (e *Engine) Prune(ctx context.Context, keep func(*Container) bool) (Pruned, error) {
	var done Pruned
	if e.o.Outside {
		return done, ErrNeedsUserns
	}
	list, failed := e.List(ListOptions{All: true})
	for _, c := range list {
		if c.Running() || keep != nil && keep(c) {
			continue
		}
		size := treeSize(c.place.Dir())
		if err := e.Remove(ctx, c, RemoveOptions{}); err != nil {
			if !errors.Is(err, ErrRunning) && !errors.Is(err, monitor.ErrLocked) { // started, or being removed by another, meanwhile
				failed = errors.Join(failed, err)
			}
			continue
		}
		done.Containers = append(done.Containers, c.ID())
		done.Space += size
	}
	return done, failed
}

// treeSize is what the files below a directory hold, in bytes.
func treeSize(dir string) int64 {
	var total int64
	filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return nil
		}
		if info, err := entry.Info(); err == nil {
			total += info.Size()
		}
		return nil
	})
	return total
}

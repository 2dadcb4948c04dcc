package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"

	"codeberg.org/hoy/hoy/engine/monitor"
	"codeberg.org/hoy/hoy/oci"
	"codeberg.org/hoy/hoy/storage"
)

// Remove removes a container; ErrRunning without Force. One that is gone already is no error.
func (e *Engine) Remove(ctx context.Context, c *Container, o RemoveOptions) error {
	if e.o.Outside {
		return ErrNeedsUserns
	}
	if c.Running() || c.Restarting() {
		if !o.Force {
			return fmt.Errorf("cannot remove container %q: container is %s: stop the container before removing or force remove%w", "/"+c.Name(), c.State.Status, hidden{ErrRunning})
		}
		if err := e.endFor(ctx, c, o); err != nil {
			return fmt.Errorf("cannot remove container %q: %w", "/"+c.Name(), err)
		}
	}
	lock, err := e.removeLock(ctx, c, o)
	if errors.Is(err, ErrNoContainer) {
		return nil
	}
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

// endFor ends a container that is to be removed.
func (e *Engine) endFor(ctx context.Context, c *Container, o RemoveOptions) error {
	if o.Timeout != nil {
		return e.Stop(ctx, c, StopOptions{Timeout: o.Timeout})
	}
	return e.kill(ctx, c, false)
}

// removeLock takes the lock of a container that is to be removed. One that is just being started is waited for, and then ended with Force.
func (e *Engine) removeLock(ctx context.Context, c *Container, o RemoveOptions) (lock io.Closer, err error) {
	if c.lease != nil {
		lock, c.lease = c.lease, nil
		return lock, nil
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		l, now, err := e.restLock(ctx, c)
		switch {
		case errors.Is(err, context.DeadlineExceeded):
			return nil, monitor.ErrLocked
		case err != nil:
			return nil, err
		case now == nil:
			return l, nil
		case !o.Force:
			return nil, ErrRunning
		}
		if err := e.endFor(ctx, now, o); err != nil {
			return nil, err
		}
	}
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
		if c.Running() || c.Restarting() || keep != nil && keep(c) {
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

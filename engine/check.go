package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"codeberg.org/hoy/hoy/engine/monitor"
	"codeberg.org/hoy/hoy/storage"
)

// Check looks for what is not as it should be on the disk: see storage.Store.Check; and containers whose image is gone or whose files cannot be
// read, directories that are half a container, names of no container, and what could not be removed. With repair it mends what loses nothing.
func (e *Engine) Check(ctx context.Context, repair bool) ([]storage.Problem, error) {
	if e.o.Outside {
		return nil, ErrNeedsUserns
	}
	found, err := e.Store.Check(repair)
	if err != nil {
		return found, err
	}
	ids, err := e.ids()
	if err != nil {
		return found, err
	}
	for _, id := range ids {
		if p := e.checkContainer(ctx, id, repair); p != nil {
			found = append(found, *p)
		}
	}
	return append(found, e.checkPlaces(repair)...), ctx.Err()
}

// checkContainer looks at one directory of a container; nil when nothing is wrong.
func (e *Engine) checkContainer(ctx context.Context, id string, repair bool) *storage.Problem {
	p := e.place(id)
	r, err := readRecord(p)
	switch {
	case errors.Is(err, ErrNoContainer):
		if p.Kept() {
			return nil // it is being made or removed
		}
		problem := &storage.Problem{What: fmt.Sprintf("directory %s is half of a container", p.Dir())}
		if repair {
			e.leftover(p)
			_, err := os.Lstat(p.Dir())
			problem.Mended = errors.Is(err, os.ErrNotExist)
		}
		return problem
	case err != nil:
		return &storage.Problem{What: fmt.Sprintf("container %s cannot be used: %v", id[:12], err)}
	case r.ImageID == "":
		return nil
	}
	if _, err := e.Store.Image(ctx, r.ImageID); err != nil {
		return &storage.Problem{What: fmt.Sprintf("container %s: its image %s is gone: %v", r.Name, r.ImageID[:12], err)}
	}
	if r.TopLayer != "" && !e.Store.HasLayer(r.TopLayer) {
		return &storage.Problem{What: fmt.Sprintf("container %s: layers of its image %s are gone", r.Name, r.ImageID[:12])}
	}
	return nil
}

// checkPlaces looks at names and at what was put aside.
func (e *Engine) checkPlaces(repair bool) []storage.Problem {
	var found []storage.Problem
	root := e.place("")
	names, _ := os.ReadDir(root.Names()) // there may be none
	for _, n := range names {
		link := filepath.Join(root.Names(), n.Name())
		id, err := os.Readlink(link)
		if err != nil {
			continue
		}
		p := e.place(id)
		if _, err := os.Lstat(p.Dir()); !errors.Is(err, os.ErrNotExist) || p.Kept() {
			continue
		}
		problem := storage.Problem{What: fmt.Sprintf("name %s belongs to no container", n.Name())}
		if repair {
			problem.Mended = monitor.ReleaseName(p, n.Name()) == nil
		}
		found = append(found, problem)
	}
	garbage, _ := os.ReadDir(root.Garbage())
	if repair {
		monitor.Sweep(root)
	}
	for _, g := range garbage {
		dir := filepath.Join(root.Garbage(), g.Name())
		_, err := os.Lstat(dir)
		found = append(found, storage.Problem{What: fmt.Sprintf("directory %s is of a removed container", dir), Mended: errors.Is(err, os.ErrNotExist)})
	}
	return found
}

package engine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"codeberg.org/hoy/hoy/engine/monitor"
)

// Find returns the container with the name, the id or the unique id prefix ref; ErrNoContainer, ErrAmbiguous. A container whose files cannot be
// read is returned with StatusDead: it can be removed, and everything else fails with the reason.
func (e *Engine) Find(ref string) (*Container, error) {
	id, err := e.resolve(strings.TrimPrefix(ref, "/"))
	if err != nil {
		return nil, err
	}
	c, err := e.load(id)
	switch {
	case err == nil:
		return c, nil
	case errors.Is(err, ErrNoContainer):
		return nil, &refError{ref, ErrNoContainer}
	}
	return e.brokenContainer(id, err), nil
}

func (e *Engine) brokenContainer(id string, reason error) *Container {
	c := &Container{place: e.place(id), broken: reason}
	c.Config.ID, c.Config.Name = id, id[:12]
	c.State.Status, c.State.Error = StatusDead, reason.Error()
	return c
}

// resolve gives the id that ref means, in Docker's order: a whole id, a name, the beginning of an id.
func (e *Engine) resolve(ref string) (string, error) {
	none := &refError{ref, ErrNoContainer}
	if ref == "" || strings.ContainsRune(ref, '/') || ref[0] == '.' {
		return "", none
	}
	p := e.place(ref)
	if isID(ref) {
		if _, err := os.Lstat(p.File(monitor.ConfigFile)); err == nil {
			return ref, nil
		}
	}
	if id, err := os.Readlink(filepath.Join(p.Names(), ref)); err == nil && isID(id) {
		return id, nil
	}
	if strings.Trim(ref, "0123456789abcdef") != "" {
		return "", none
	}
	ids, err := e.ids()
	if err != nil {
		return "", err
	}
	first := slices.IndexFunc(ids, func(id string) bool { return strings.HasPrefix(id, ref) })
	switch {
	case first < 0:
		return "", none
	case first+1 < len(ids) && strings.HasPrefix(ids[first+1], ref):
		return "", &refError{ref, ErrAmbiguous}
	}
	return ids[first], nil
}

// ids are the ids of all containers, sorted.
func (e *Engine) ids() ([]string, error) { return idsIn(e.place("").Containers()) }

func idsIn(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, entry := range entries {
		if isID(entry.Name()) {
			ids = append(ids, entry.Name())
		}
	}
	return ids, nil
}

type load struct {
	c   *Container
	err error
}

// loadAll loads containers, several at once: most of the time goes into decoding.
func (e *Engine) loadAll(ids []string) []load {
	loads := make([]load, len(ids))
	var next atomic.Int64
	var g sync.WaitGroup
	for range min(runtime.NumCPU(), 1+len(ids)/16) {
		g.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(ids); i = int(next.Add(1)) - 1 {
				loads[i].c, loads[i].err = e.load(ids[i])
			}
		})
	}
	g.Wait()
	return loads
}

// List returns the containers, the newest first. With an error that joins what is wrong with those it could not read it still returns the others.
func (e *Engine) List(o ListOptions) ([]*Container, error) {
	// What runs has a directory of this boot: of the others only their number is looked at.
	ids, err := idsIn(e.o.Run)
	if err != nil {
		return nil, err
	}
	if o.All {
		stored, err := e.ids()
		if err != nil {
			return nil, err
		}
		ids = append(ids, stored...)
		slices.Sort(ids)
		ids = slices.Compact(ids)
	}
	var list []*Container
	var failed error
	loads := e.loadAll(ids)
	for i, id := range ids {
		c, err := loads[i].c, loads[i].err
		switch {
		case errors.Is(err, ErrNoContainer):
			if p := e.place(id); !p.Kept() {
				e.leftover(p)
			}
		case err != nil:
			failed = errors.Join(failed, fmt.Errorf("container %s: %w", id[:12], err))
		case o.All || c.Running() || c.Restarting():
			list = append(list, c)
		}
	}
	if o.All {
		e.freeNames(list)
	}
	if pid := e.orphaned(); pid != 0 || e.networksOf(nil).Stale() { // of a command that was killed while it put a container on a network
		monitor.HealNear(e.place(""), pid)
	}
	slices.SortStableFunc(list, func(a, b *Container) int { return b.Config.Created.Compare(a.Config.Created) })
	return list, failed
}

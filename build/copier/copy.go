package copier

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	"codeberg.org/hoy/hoy/build/rootfs"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

// Target says where and how files are copied.
type Target struct {
	Writer *rootfs.Writer
	Dest   string                             // absolute; a trailing slash says that it is a directory
	Owner  *Owner                             // --chown; nil keeps the owners
	Root   bool                               // without --chown files belong to root: they come from a context
	Mode   func(mode uint32, dir bool) uint32 // --chmod; nil keeps the permissions

	NoDevices bool // leaves devices out, as ExtractOptions.NoDevices

	Known map[string][]byte // gets what is held in memory of the files that were written, by their path; nil: nothing does
}

// Owner is a numeric owner.
type Owner struct{ UID, GID int }

// ErrChanged says that a source was not what it had been when Hash named it. What was copied is whole, but must not be found by that name.
var ErrChanged = errors.New("a source changed while it was copied")

// Copy copies the selections, one after the other, by the rules of BuildKit (tonistiigi/fsutil, Copy with CopyDirContents): what is
// in a directory goes into the destination; a file goes into a destination that exists as a directory or ends with a slash, or
// takes the destination's place. Directories are merged, files replaced; a file and a directory never replace each other.
func Copy(ctx context.Context, t Target, selections []Selection) error {
	var changed error
	mask := umask()
	for i := range selections {
		c := &copying{target: t, source: &selections[i], dirs: map[string]*destDir{}, umask: mask}
		if err := c.run(ctx); err != nil {
			return err
		}
		if c.changed.Load() {
			changed = ErrChanged
		}
	}
	return changed
}

// run copies one selection.
func (c *copying) run(ctx context.Context) error {
	if err := c.destination(); err != nil {
		return err
	}
	if err := c.directories(); err != nil {
		return err
	}
	if err := c.files(ctx); err != nil {
		return err
	}
	if err := c.hardlinks(); err != nil {
		return err
	}
	return c.times()
}

// directories makes the directories below the source's and gives those that exist the source's metadata, as BuildKit does.
func (c *copying) directories() error {
	for i := range c.source.Entries {
		e := &c.source.Entries[i]
		if !e.IsDir() || e.Rel == "" {
			continue
		}
		parent, name := c.dirs[relDir(e.Rel)], path.Base(e.Rel)
		there, err := c.existing(parent, name)
		if err != nil {
			return err
		}
		if there == nil {
			n, err := c.target.Writer.Mkdir(&parent.node, name, c.meta(e))
			if err != nil {
				return copyError(err)
			}
			c.dirs[e.Rel] = c.newDir(n, true)
			c.touched = append(c.touched, touchedDir{e, parent, c.dirs[e.Rel]})
			continue
		}
		if !there.IsDir() {
			return fmt.Errorf("cannot copy to non-directory: /%s", there.Path)
		}
		c.dirs[e.Rel] = c.newDir(*there, false)
		if !c.source.Parents {
			c.touched = append(c.touched, touchedDir{e, parent, c.dirs[e.Rel]})
		}
	}
	return nil
}

// files copies everything that is no directory, several files at once.
func (c *copying) files(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(workers)
	jobs := c.jobs()
	for _, j := range jobs {
		if err := c.start(ctx, g, j); err != nil {
			return errors.Join(err, g.Wait())
		}
	}
	if err := g.Wait(); err != nil {
		return err
	}
	c.remember(jobs)
	return nil
}

// remember notes what the written files hold.
func (c *copying) remember(jobs []*job) {
	if c.target.Known == nil {
		return
	}
	for _, j := range jobs {
		for _, e := range j.entries {
			p := path.Join(c.dirs[j.dir].node.Path, c.nameOf(e))
			if e.inMemory() && len(e.Xattrs) == 0 {
				c.target.Known[p] = e.Data
			} else {
				delete(c.target.Known, p)
			}
		}
	}
}

// jobs shares out the files.
func (c *copying) jobs() []*job {
	var jobs []*job
	var last *job
	for i := range c.source.Entries {
		e := &c.source.Entries[i]
		if e.IsDir() || e.linkTo != "" {
			continue
		}
		if last == nil || !last.takes(e) {
			last = &job{dir: relDir(e.Rel)}
			jobs = append(jobs, last)
		}
		last.entries = append(last.entries, e)
	}
	return jobs
}

// job is some files of one directory for one worker.
type job struct {
	dir     string
	entries []*Entry
}

func (j *job) takes(e *Entry) bool {
	last := j.entries[len(j.entries)-1]
	return len(j.entries) < perJob && relDir(e.Rel) == j.dir && e.inline == last.inline &&
		(e.inline || rootfs.SameDir(&e.Node, &last.Node))
}

// start makes room for a job's files, one job after the other, and lets a worker write them.
func (c *copying) start(ctx context.Context, g *errgroup.Group, j *job) error {
	d := c.dirs[j.dir]
	if len(j.entries) > 8 {
		if err := c.list(d); err != nil {
			return err
		}
	}
	for _, e := range j.entries {
		if err := c.clear(d, c.nameOf(e)); err != nil {
			return err
		}
	}
	to, err := d.open(c.target.Writer)
	if err != nil {
		return err
	}
	g.Go(func() error {
		defer unix.Close(to)
		r := c.source.reader()
		defer r.close()
		for _, e := range j.entries {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if err := c.file(r, to, e); err != nil {
				return fmt.Errorf("copy /%s: %w", e.Path, err)
			}
		}
		return nil
	})
	return nil
}

// nameOf is the name of a copy in its directory.
func (c *copying) nameOf(e *Entry) string {
	if e.Rel == "" {
		return c.name
	}
	return path.Base(e.Rel)
}

// hardlinks makes the further names of files that have several.
func (c *copying) hardlinks() error {
	for i := range c.source.Entries {
		e := &c.source.Entries[i]
		if e.linkTo == "" {
			continue
		}
		if err := c.clear(c.dirs[relDir(e.Rel)], c.nameOf(e)); err != nil {
			return err
		}
		if err := c.hardlink(e); err != nil {
			return fmt.Errorf("link /%s: %w", e.Path, err)
		}
	}
	return nil
}

func (c *copying) hardlink(e *Entry) error {
	from, err := c.target.Writer.Dir(&c.dirs[relDir(e.linkTo)].node)
	if err != nil {
		return err
	}
	defer unix.Close(from)
	to, err := c.target.Writer.Dir(&c.dirs[relDir(e.Rel)].node)
	if err != nil {
		return err
	}
	defer unix.Close(to)
	return unix.Linkat(from, path.Base(e.linkTo), to, c.nameOf(e), 0)
}

// touchedDir is a directory whose metadata is set when everything is in it.
type touchedDir struct {
	entry       *Entry
	parent, dir *destDir
}

// times sets what writing into the directories changed, the deepest first.
func (c *copying) times() error {
	for i := len(c.touched) - 1; i >= 0; i-- {
		if err := c.touched[i].finish(c); err != nil {
			return copyError(err)
		}
	}
	return nil
}

func (t *touchedDir) finish(c *copying) error {
	dir, err := c.target.Writer.Dir(&t.dir.node) // a directory that existed and got nothing new is copied up here
	if err != nil {
		return err
	}
	unix.Close(dir)
	parent, err := c.target.Writer.Dir(&t.parent.node)
	if err != nil {
		return err
	}
	defer unix.Close(parent)
	name := path.Base(t.entry.Rel)
	if t.dir.fresh {
		return rootfs.SetMtime(parent, name, &t.entry.Stat.Mtim)
	}
	return rootfs.SetMeta(parent, name, c.meta(t.entry))
}

// meta is what the copy of an entry gets.
func (c *copying) meta(e *Entry) rootfs.Meta {
	m := rootfs.Meta{Mode: e.Stat.Mode & 0o7777, UID: int(e.Stat.Uid), GID: int(e.Stat.Gid), Mtime: &e.Stat.Mtim, Xattrs: e.Xattrs}
	if e.inline {
		m.Mtime = nil
	}
	if c.target.Root {
		m.UID, m.GID = 0, 0
	}
	if c.target.Owner != nil {
		m.UID, m.GID = c.target.Owner.UID, c.target.Owner.GID
	}
	if c.target.Mode != nil && !e.IsLink() {
		m.Mode = c.target.Mode(m.Mode, e.IsDir())
	}
	return m
}

func relDir(rel string) string {
	if i := strings.LastIndexByte(rel, '/'); i >= 0 {
		return rel[:i]
	}
	return ""
}

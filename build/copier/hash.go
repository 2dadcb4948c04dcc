package copier

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"slices"
	"sort"
	"strconv"
	"time"

	"codeberg.org/hoy/hoy/build/cache"
	"codeberg.org/hoy/hoy/build/rootfs"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

const (
	workers  = 8        // files that are read or written at once
	perJob   = 256      // files that a worker takes at once
	keepFile = 64 << 10 // a file of at most so many bytes that Hash had to read is kept for Copy
	keepAll  = 64 << 20 // all that is kept
)

// HashOptions says what of the files a destination replaces and so does not depend on.
type HashOptions struct {
	Digests *cache.Digests // remembers files' content; nil reads every file
	Owner   bool           // owners do not count: --chown, or a context, whose files are root's
	Mode    bool           // permissions do not count: --chmod with a number
}

// Hash reads what must be read and names the content of the selections: every path, type, mode, owner, link, attribute and byte, but no
// time of change.
func Hash(ctx context.Context, selections []Selection, o HashOptions) (string, error) {
	h := sha256.New()
	left := int64(keepAll)
	for i := range selections {
		s := &selections[i]
		if err := s.readAll(ctx, o.Digests, &left); err != nil {
			return "", err
		}
		s.describe(h, o)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// describe writes the selection for the hash. Every field ends where the next begins whatever a name holds: names are quoted.
func (s *Selection) describe(w io.Writer, o HashOptions) {
	var b []byte
	name := s.Name
	if s.Entries[0].IsDir() {
		name = "" // what is copied is what is in it
	}
	b = fmt.Appendf(b, "source %q %v\n", name, s.Parents)
	for i := range s.Entries {
		b = s.Entries[i].describe(b, o)
		if len(b) > 64<<10 {
			w.Write(b)
			b = b[:0]
		}
	}
	w.Write(b)
}

func (e *Entry) describe(b []byte, o HashOptions) []byte {
	mode := e.Stat.Mode
	if o.Mode && !e.IsLink() {
		mode &= unix.S_IFMT
	}
	b = strconv.AppendQuote(b, e.Rel)
	b = append(b, ' ')
	b = strconv.AppendUint(b, uint64(mode), 8)
	if !o.Owner {
		b = append(b, ' ')
		b = strconv.AppendUint(b, uint64(e.Stat.Uid), 10)
		b = append(b, ':')
		b = strconv.AppendUint(b, uint64(e.Stat.Gid), 10)
	}
	switch {
	case e.linkTo != "":
		b = append(b, " = "...)
		b = strconv.AppendQuote(b, e.linkTo)
	case e.IsRegular():
		b = append(b, ' ')
		b = hex.AppendEncode(b, e.Digest.Sum[:])
	case e.IsLink():
		b = append(b, " -> "...)
		b = strconv.AppendQuote(b, e.Link)
	case !e.IsDir():
		b = append(b, " dev "...)
		b = strconv.AppendUint(b, uint64(e.Stat.Rdev), 10)
	}
	names := make([]string, 0, len(e.Xattrs))
	for name := range e.Xattrs {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		b = fmt.Appendf(b, " %q=%q", name, e.Xattrs[name])
	}
	return append(b, '\n')
}

// readAll finds the digests of the regular files and the attributes of all, several files at once. left is how much may be kept.
func (s *Selection) readAll(ctx context.Context, d *cache.Digests, left *int64) error {
	var unknown []*Entry
	size := int64(0)
	for i := range s.Entries {
		e := &s.Entries[i]
		if e.inline || e.linkTo != "" || e.IsLink() {
			continue
		}
		if e.IsRegular() && e.Stat.Size <= keepFile {
			size += e.Stat.Size + 1
		}
		if !s.remembered(e, d) {
			unknown = append(unknown, e)
		}
	}
	s.kept = &room{size: min(size, *left)}
	*left -= s.kept.size
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(workers)
	for batch := range slices.Chunk(unknown, perJob) {
		g.Go(func() error { return s.readBatch(ctx, batch, d) })
	}
	return g.Wait()
}

// remembered takes what an earlier build found of a file whose state is the same.
func (s *Selection) remembered(e *Entry, d *cache.Digests) bool {
	if d == nil || !e.IsRegular() {
		return false
	}
	v, ok := d.Get(&e.Stat)
	e.Digest = v
	return ok && !v.Xattrs // attributes are few: they are read again
}

func (s *Selection) readBatch(ctx context.Context, batch []*Entry, d *cache.Digests) error {
	r := s.reader()
	defer r.close()
	h := sha256.New()
	for _, e := range batch {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if !e.IsRegular() {
			var err error
			if e.Xattrs, err = s.Tree.Xattrs(&e.Node); err != nil {
				return err
			}
			continue
		}
		now := time.Now()
		if err := r.digest(e, h); err != nil {
			return fmt.Errorf("read /%s: %w", e.Path, err)
		}
		if d != nil {
			d.Put(&e.Stat, e.Digest, now)
		}
	}
	return nil
}

// digest finds the digest and the attributes of one file. A file that changes between its look-up and the end of its reading is taken as
// it then is, but its content is not kept.
func (r *reader) digest(e *Entry, h hash.Hash) error {
	fd, err := r.open(&e.Node)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if e.Xattrs, err = rootfs.XattrsFD(fd); err != nil {
		return err
	}
	e.Digest.Xattrs = len(e.Xattrs) > 0
	h.Reset()
	data, same, err := r.small(fd, e)
	if err != nil {
		return err
	}
	if same {
		h.Write(data)
	} else if err := r.stream(fd, h); err != nil {
		return err
	}
	h.Sum(e.Digest.Sum[:0])
	if same {
		return nil
	}
	return unix.Fstat(fd, &e.Stat)
}

package copier

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"sort"
	"strconv"
	"sync/atomic"
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
	var kept atomic.Int64
	for i := range selections {
		s := &selections[i]
		if err := s.readAll(ctx, o.Digests, &kept); err != nil {
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

// readAll finds the digests of the regular files and the attributes of all, several files at once.
func (s *Selection) readAll(ctx context.Context, d *cache.Digests, kept *atomic.Int64) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(workers)
	var job []*Entry
	flush := func() {
		if len(job) == 0 {
			return
		}
		batch := job
		job = nil
		g.Go(func() error { return s.readBatch(ctx, batch, d, kept) })
	}
	for i := range s.Entries {
		e := &s.Entries[i]
		if e.inline || e.linkTo != "" || e.IsLink() || s.remembered(e, d) {
			continue
		}
		if job = append(job, e); len(job) == perJob {
			flush()
		}
	}
	flush()
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

func (s *Selection) readBatch(ctx context.Context, batch []*Entry, d *cache.Digests, kept *atomic.Int64) error {
	buf := make([]byte, 128<<10)
	for _, e := range batch {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		var err error
		if !e.IsRegular() {
			e.Xattrs, err = s.Tree.Xattrs(&e.Node)
			if err != nil {
				return err
			}
			continue
		}
		now := time.Now()
		if err := s.read(e, buf, kept); err != nil {
			return fmt.Errorf("read /%s: %w", e.Path, err)
		}
		if d != nil {
			d.Put(&e.Stat, e.Digest, now)
		}
	}
	return nil
}

// read finds the digest and the attributes of one file. A file that changes between its look-up and the end of its reading is taken as
// it then is, but its content is not kept.
func (s *Selection) read(e *Entry, buf []byte, kept *atomic.Int64) error {
	fd, before, err := s.Tree.OpenFD(&e.Node)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if e.Xattrs, err = rootfs.XattrsFD(fd); err != nil {
		return err
	}
	e.Digest.Xattrs = len(e.Xattrs) > 0
	keep := before.Size <= keepFile && kept.Add(before.Size) <= keepAll
	h := sha256.New()
	var data []byte
	if keep {
		data = make([]byte, 0, before.Size)
	}
	for {
		n, err := unix.Read(fd, buf)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		h.Write(buf[:n])
		if keep {
			data = append(data, buf[:n]...)
		}
		if n < len(buf) { // the end of a regular file
			break
		}
	}
	h.Sum(e.Digest.Sum[:0])
	if err := unix.Fstat(fd, &e.Stat); err != nil {
		return err
	}
	if keep && sameState(&before, &e.Stat) && int64(len(data)) == e.Stat.Size {
		e.Data = data[:len(data):len(data)]
	}
	return nil
}

// sameState says whether a file's content is the same by what stat(2) says.
func sameState(a, b *unix.Stat_t) bool {
	return a.Ino == b.Ino && a.Dev == b.Dev && a.Size == b.Size && a.Mtim == b.Mtim && a.Ctim == b.Ctim
}

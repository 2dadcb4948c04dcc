// Package copier selects files of one tree, names them by their content, and copies them into another, as COPY and ADD do.
package copier

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"codeberg.org/hoy/hoy/build/cache"
	"codeberg.org/hoy/hoy/build/rootfs"
	"github.com/moby/patternmatcher"
	"golang.org/x/sys/unix"
)

// Entry is one selected file.
type Entry struct {
	rootfs.Node
	Rel    string       // its path below what is copied; "" is the source itself
	Digest cache.Digest // of a regular file, once Hash has been called
	Xattrs map[string]string
	Data   []byte // a small regular file's content, when Hash had to read it; a here-document's
	inline bool   // there is no file: Data is all of it
	linkTo string // Rel of the first entry with the same inode; "" for none
}

// Selection is what one source of a COPY gave.
type Selection struct {
	Tree    *rootfs.Tree
	Name    string  // the source's last name as it was written: a file's name in a destination that is a directory
	Entries []Entry // directories before what they hold, else sorted by name; the first is the source itself
	Parents bool    // --parents: directories that exist at the destination keep what they are

	Downloaded bool // it came from a URL

	kept *room // for small files' content; Hash makes it
}

// Request is one source of a COPY or ADD.
type Request struct {
	Path    string   // as in the Dockerfile, variables expanded
	Exclude []string // --exclude
	Parents bool     // --parents
	Literal bool     // the path has no wildcards, whatever it looks like
	Ignore  *patternmatcher.PatternMatcher
}

// NotFoundError says that a source without wildcards does not exist.
type NotFoundError struct {
	Path string
}

// Error has BuildKit's words.
func (e *NotFoundError) Error() string { return fmt.Sprintf("%q: not found", e.Path) }

// Select finds the files that a source means. A wildcard that matches nothing gives nothing; a missing file is a *NotFoundError.
func Select(t *rootfs.Tree, r Request) ([]Selection, error) {
	s := selector{tree: t, request: r}
	if r.Parents {
		return s.parents()
	}
	if !r.Literal && hasWildcards(r.Path) {
		return s.wildcard(r.Path, nil)
	}
	sel, err := s.one(path.Join("/", r.Path), nil)
	if err == nil && sel == nil {
		err = &NotFoundError{Path: path.Join("/", r.Path)}
	}
	if err != nil {
		return nil, err
	}
	return []Selection{*sel}, nil
}

type selector struct {
	tree    *rootfs.Tree
	request Request
}

// parents is --parents: the pattern after "/./", or all of the path, is matched below what comes before it.
func (s *selector) parents() ([]Selection, error) {
	base, pattern, pivot := strings.Cut(s.request.Path, "/./")
	if !pivot {
		base, pattern = "/", s.request.Path
	}
	pattern = strings.TrimPrefix(path.Join("/", pattern), "/")
	if hasWildcards(base) {
		return s.wildcard(base, &pattern)
	}
	sel, err := s.one(path.Join("/", base), &pattern)
	if err != nil {
		return nil, err
	}
	if sel == nil || len(sel.Entries) < 2 && pattern != "" {
		if hasWildcards(pattern) {
			return nil, nil
		}
		return nil, &NotFoundError{Path: path.Join("/", base, pattern)}
	}
	return []Selection{*sel}, nil
}

// one selects the file at a path. It gives nil when .dockerignore leaves nothing of it.
func (s *selector) one(p string, include *string) (*Selection, error) {
	n, rest, err := s.tree.ResolveVia(p, func(link *rootfs.Node) error {
		if s.ignored(link.Path) {
			return fs.ErrNotExist
		}
		return nil
	})
	if errors.Is(err, unix.ENOTDIR) || errors.Is(err, fs.ErrNotExist) || err == nil && len(rest) > 0 {
		return nil, &NotFoundError{Path: p}
	}
	if err != nil {
		return nil, err
	}
	w, err := newWalk(s, &n, include)
	if err != nil {
		return nil, err
	}
	if err := w.source(&n, path.Base(p)); err != nil || len(w.entries) == 0 {
		return nil, err
	}
	markHardlinks(w.entries)
	return &Selection{Tree: s.tree, Name: path.Base(p), Entries: w.entries, Parents: include != nil}, nil
}

func (s *selector) ignored(p string) bool {
	if s.request.Ignore == nil {
		return false
	}
	ignored, err := s.request.Ignore.MatchesOrParentMatches(p)
	return err == nil && ignored
}

// wildcard selects what matches a pattern of Go's filepath.Match.
func (s *selector) wildcard(pattern string, include *string) ([]Selection, error) {
	base, rest := splitWildcards(pattern)
	n, missing, err := s.tree.Resolve(base)
	if errors.Is(err, unix.ENOTDIR) || len(missing) > 0 {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	paths, err := s.glob(&n, rest)
	if err != nil {
		return nil, err
	}
	var out []Selection
	for _, p := range paths {
		sel, err := s.one("/"+p, include)
		var none *NotFoundError
		if errors.As(err, &none) { // a symbolic link to nowhere
			return nil, err
		}
		if err != nil {
			return nil, err
		}
		if sel != nil && (include == nil || len(sel.Entries) > 1) {
			out = append(out, *sel)
		}
	}
	return out, nil
}

// glob gives the paths below dir that match the names of a pattern, sorted. It follows no symbolic links.
func (s *selector) glob(dir *rootfs.Node, names []string) ([]string, error) {
	if !dir.IsDir() {
		return nil, nil
	}
	nodes, err := s.tree.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var out []string
	for i := range nodes {
		ok, err := path.Match(names[0], path.Base(nodes[i].Path))
		if err != nil {
			return nil, fmt.Errorf("pattern %s: %w", s.request.Path, err)
		}
		if !ok {
			continue
		}
		if len(names) == 1 {
			out = append(out, nodes[i].Path)
			continue
		}
		below, err := s.glob(&nodes[i], names[1:])
		if err != nil {
			return nil, err
		}
		out = append(out, below...)
	}
	return out, nil
}

func hasWildcards(p string) bool {
	for i := 0; i < len(p); i++ {
		switch p[i] {
		case '*', '?', '[':
			return true
		case '\\':
			i++
		}
	}
	return false
}

// splitWildcards gives the part of a pattern before its first name with a wildcard, and the names from there on.
func splitWildcards(pattern string) (base string, names []string) {
	all := strings.Split(strings.TrimPrefix(path.Join("/", pattern), "/"), "/")
	for i, name := range all {
		if hasWildcards(name) {
			return "/" + path.Join(all[:i]...), all[i:]
		}
	}
	return path.Join("/", pattern), nil
}

// markHardlinks notes which files are names of one inode, so that the copies are too.
func markHardlinks(entries []Entry) {
	type inode struct{ dev, ino uint64 }
	first := map[inode]string{}
	for i := range entries {
		e := &entries[i]
		if !e.IsRegular() || e.Stat.Nlink < 2 {
			continue
		}
		id := inode{uint64(e.Stat.Dev), e.Stat.Ino}
		if to, ok := first[id]; ok {
			e.linkTo = to
			continue
		}
		first[id] = e.Rel
	}
}
